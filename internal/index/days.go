package index

// days are references to the last commit of each day, refs/clonecratesio/days/YYYY-MM-DD.
const days = "refs/clonecratesio/days"
