package servecli

// Status is what /api/status of a server says; docs/reference/status.schema.json describes
// it.
type Status = statusOf
