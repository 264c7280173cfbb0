package flags

import (
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/work/jetstream"
)

// Queue has the flags of commands that use a queue in NATS.
type Queue struct{ jetstream.Config }

// Flags returns the flags.
func (q *Queue) Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "nats", Usage: "use the NATS server at `URL`, nats://HOST:4222 or tls://HOST; separate several with commas. JetStream must be on", Sources: cli.EnvVars("NATS_URL"), HideDefault: true, Destination: &q.URL},
		&cli.StringFlag{Name: "nats-stream", Value: jetstream.UsualStream, Usage: "use the stream `NAME`: mirrors that share a server need one each", Destination: &q.Stream},
		&cli.StringFlag{Name: "nats-creds", Usage: "read NATS credentials from `FILE`", Sources: cli.EnvVars("NATS_CREDS"), Destination: &q.Creds, TakesFile: true},
		&cli.StringFlag{Name: "nats-ca", Usage: "trust the certificate authorities in the PEM `FILE`", Destination: &q.CA, TakesFile: true},
		&cli.StringFlag{Name: "nats-cert", Usage: "read the client certificate from the PEM `FILE`", Destination: &q.Cert, TakesFile: true},
		&cli.StringFlag{Name: "nats-key", Usage: "read its private key from the PEM `FILE`", Destination: &q.Key, TakesFile: true},
	}
}

// WaitFlag returns the flag of the command that creates the queue.
func (q *Queue) WaitFlag() cli.Flag {
	return &cli.DurationFlag{Name: "ack-wait", Value: jetstream.UsualWait, Usage: "give the task of a worker that was silent this long to another one", Destination: &q.Wait}
}

const minWait = time.Second

// Check rejects invalid values and combinations.
func (q *Queue) Check() error {
	switch {
	case q.URL == "":
		return Usagef("-nats is missing: the URL of a NATS server with JetStream")
	case (q.Cert == "") != (q.Key == ""):
		return Usagef("-nats-cert and -nats-key belong together: provide both or neither")
	case q.Wait != 0 && q.Wait < minWait:
		return Usagef("-ack-wait is %v, want %v or more", q.Wait, minWait)
	}
	return nil
}

// Open connects to the queue.
func (q *Queue) Open(name string, log *slog.Logger) (*jetstream.Queue, error) {
	cfg := q.Config
	cfg.Name, cfg.Log = name, log
	return jetstream.Open(cfg)
}
