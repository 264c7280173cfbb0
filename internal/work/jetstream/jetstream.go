// Package jetstream is a work queue in NATS JetStream: a stream that delivers each message
// to one worker, and removes it once the worker has acknowledged it.
package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/work"
)

// Config says where the queue is.
type Config struct {
	// URL is the URL of the server, or several separated by commas: nats://HOST:4222,
	// tls://HOST. It may contain a user and a password, which are never logged.
	URL    string
	Stream string        // name of the stream; the same for all workers of a mirror. Default: clonecratesio
	Wait   time.Duration // silence after which a worker is considered dead; default a minute
	// MaxDeliver is the number of times that the server delivers a message; default 5.
	MaxDeliver int
	Name       string // of this client, for people to identify it
	// Files, unless empty: NATS credentials, TLS authorities, and the certificate and key
	// of this client.
	Creds, CA, Cert, Key string
	Log                  *slog.Logger // default: none
}

// Default values of Config.
const (
	UsualStream = "clonecratesio"
	UsualWait   = time.Minute
	usualTries  = 5
)

const (
	maxMessage = 512                // size of a message, bytes: a job, a task
	maxWaiting = 4096               // number of tasks handed out at a time
	keptFor    = 7 * 24 * time.Hour // after which an unfinished task is dropped; it is given out again
	duplicates = 2 * time.Minute    // in which a repeated message is recognised
	takeFor    = 5 * time.Second    // for which Take waits for a task
	answer     = 10 * time.Second
	consumer   = "workers"
)

// Queue is a work.Queue.
type Queue struct {
	cfg  Config
	conn *nats.Conn
	js   jetstream.JetStream

	mu       sync.Mutex // guards what follows
	consumer jetstream.Consumer
}

var _ work.Queue = (*Queue)(nil)

// Open connects to the server. Until Close, it reconnects whenever the connection is lost.
func Open(cfg Config) (*Queue, error) {
	if cfg.Stream == "" {
		cfg.Stream = UsualStream
	}
	if cfg.Wait <= 0 {
		cfg.Wait = UsualWait
	}
	if cfg.MaxDeliver <= 0 {
		cfg.MaxDeliver = usualTries
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := nats.Connect(cfg.URL, cfg.options()...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", Redacted(cfg.URL), scrubbed(err, cfg.URL))
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Queue{cfg: cfg, conn: conn, js: js}, nil
}

func (cfg *Config) options() []nats.Option {
	where := Redacted(cfg.URL)
	list := []nats.Option{
		nats.Name(cfg.Name), nats.MaxReconnects(-1), nats.Timeout(answer),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				cfg.Log.Warn("the connection to the queue is lost", "server", where, "err", scrubbed(err, cfg.URL))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { cfg.Log.Info("the queue is reached again", "server", where) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			cfg.Log.Debug("the queue", "server", where, "err", scrubbed(err, cfg.URL))
		}),
	}
	if cfg.Creds != "" {
		list = append(list, nats.UserCredentials(cfg.Creds))
	}
	if cfg.CA != "" {
		list = append(list, nats.RootCAs(cfg.CA))
	}
	if cfg.Cert != "" {
		list = append(list, nats.ClientCert(cfg.Cert, cfg.Key))
	}
	return list
}

// Redacted returns the URLs without users, passwords and tokens.
func Redacted(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		list[i] = "(an address that is none)"
		if u, err := url.Parse(strings.TrimSpace(text)); err == nil {
			list[i] = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
		}
	}
	return strings.Join(list, ",")
}

// scrubbed returns an error that quotes no credentials of the URLs.
func scrubbed(err error, urls string) error {
	text := err.Error()
	for _, one := range strings.Split(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil && u.User == nil {
			continue
		}
		text = strings.ReplaceAll(text, strings.TrimSpace(one), Redacted(one))
		if before, _, found := strings.Cut(one, "@"); found {
			text = strings.ReplaceAll(text, before[strings.LastIndex(before, "/")+1:], "xxxxx")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

func (q *Queue) subject() string { return q.cfg.Stream + ".tasks" }

// Prepare implements work.Queue.
func (q *Queue) Prepare(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	stream, err := q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: q.cfg.Stream, Description: "tasks of clonecratesio work", Subjects: []string{q.subject()},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxMsgs: 2 * work.MaxTasks, MaxMsgSize: maxMessage, MaxAge: keptFor, Duplicates: duplicates,
	})
	if err != nil {
		return fmt.Errorf("making the queue %s: %w", q.cfg.Stream, err)
	}
	c, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: q.cfg.Wait,
		MaxDeliver: q.cfg.MaxDeliver, MaxAckPending: maxWaiting,
	})
	if err != nil {
		return fmt.Errorf("making the queue %s: %w", q.cfg.Stream, err)
	}
	q.know(c)
	return nil
}

func (q *Queue) know(c jetstream.Consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.consumer = c
	if c != nil {
		q.cfg.Wait = cmp.Or(c.CachedInfo().Config.AckWait, q.cfg.Wait)
	}
}

// reach returns the consumer, which the coordinator makes.
func (q *Queue) reach(ctx context.Context) (jetstream.Consumer, error) {
	q.mu.Lock()
	c := q.consumer
	q.mu.Unlock()
	if c != nil {
		return c, nil
	}
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	c, err := q.js.Consumer(ctx, q.cfg.Stream, consumer)
	if err != nil {
		return nil, q.absent(err)
	}
	q.know(c)
	return c, nil
}

// absent turns errors that mean that there is no queue into work.ErrNoQueue.
func (q *Queue) absent(err error) error {
	for _, gone := range []error{jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerDeleted, jetstream.ErrNoStreamResponse, nats.ErrNoResponders} {
		if errors.Is(err, gone) {
			q.know(nil)
			return fmt.Errorf("%w: %w", work.ErrNoQueue, err)
		}
	}
	return err
}

// Give implements work.Queue.
func (q *Queue) Give(ctx context.Context, task work.Ref, pass int64) error {
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	id := jetstream.WithMsgID(task.String() + "/" + strconv.FormatInt(pass, 36))
	if _, err := q.js.Publish(ctx, q.subject(), []byte(task.String()), id, jetstream.WithExpectStream(q.cfg.Stream)); err != nil {
		return fmt.Errorf("giving a task out: %w", q.absent(err))
	}
	return nil
}

// Take implements work.Queue.
func (q *Queue) Take(ctx context.Context) (work.Taken, error) {
	c, err := q.reach(ctx)
	if err != nil {
		return nil, err
	}
	wait, stop := context.WithTimeout(ctx, takeFor)
	defer stop()
	msg, err := c.Next(jetstream.FetchContext(wait))
	if err == nil {
		return &taken{msg}, nil
	}
	if errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		// A deleted consumer is silent as well.
		_, err := q.Idle(ctx)
		return nil, err
	}
	return nil, q.absent(err)
}

// Idle implements work.Queue.
func (q *Queue) Idle(ctx context.Context) (bool, error) {
	c, err := q.reach(ctx)
	if err != nil {
		return false, err
	}
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	info, err := c.Info(ctx)
	if err != nil {
		return false, q.absent(err)
	}
	return info.NumPending == 0 && info.NumAckPending == 0, nil
}

// Wait implements work.Queue: the coordinator has set the time.
func (q *Queue) Wait() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cfg.Wait
}

// Close closes the connection.
func (q *Queue) Close() { q.conn.Close() }

// taken is a message.
type taken struct{ jetstream.Msg }

// Task implements work.Taken.
func (t *taken) Task() (work.Ref, error) { return work.ParseRef(string(t.Data())) }

// Attempt implements work.Taken.
func (t *taken) Attempt() int {
	meta, err := t.Metadata()
	if err != nil {
		return 1
	}
	return int(min(meta.NumDelivered, 1<<20))
}

// Extend implements work.Taken.
func (t *taken) Extend() error { return t.InProgress() }

// Done implements work.Taken: it waits for the server's confirmation.
func (t *taken) Done(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer stop()
	return t.DoubleAck(ctx)
}

// Return implements work.Taken.
func (t *taken) Return(after time.Duration) error { return t.NakWithDelay(after) }
