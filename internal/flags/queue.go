package flags

import (
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/work/jetstream"
)

// Queue is the flags of commands that use a queue in NATS.
type Queue struct{ jetstream.Config }

// Flags are the flags.
func (q *Queue) Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "nats", Usage: "the NATS server at `URL`, nats://HOST:4222 or tls://HOST, several with commas; it needs JetStream", Sources: cli.EnvVars("NATS_URL"), HideDefault: true, Destination: &q.URL},
		&cli.StringFlag{Name: "nats-stream", Value: jetstream.UsualStream, Usage: "`NAME` of the stream: mirrors that share a server have one each", Destination: &q.Stream},
		&cli.StringFlag{Name: "nats-creds", Usage: "credentials of NATS in `FILE`", Sources: cli.EnvVars("NATS_CREDS"), Destination: &q.Creds, TakesFile: true},
		&cli.StringFlag{Name: "nats-ca", Usage: "trust the authorities in the PEM `FILE`", Destination: &q.CA, TakesFile: true},
		&cli.StringFlag{Name: "nats-cert", Usage: "certificate of this client in the PEM `FILE`", Destination: &q.Cert, TakesFile: true},
		&cli.StringFlag{Name: "nats-key", Usage: "its private key in the PEM `FILE`", Destination: &q.Key, TakesFile: true},
	}
}

// WaitFlag is of the command that makes the queue.
func (q *Queue) WaitFlag() cli.Flag {
	return &cli.DurationFlag{Name: "ack-wait", Value: jetstream.UsualWait, Usage: "a worker that is silent for so long is taken for dead, and its task goes to another", Destination: &q.Wait}
}

const minWait = time.Second

// Check refuses invalid values and combinations.
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

// Open connects.
func (q *Queue) Open(name string, log *slog.Logger) (*jetstream.Queue, error) {
	cfg := q.Config
	cfg.Name, cfg.Log = name, log
	return jetstream.Open(cfg)
}
