package servecli

// Status is the response of a server's /api/status; docs/reference/status.schema.json
// describes it.
type Status = statusOf
