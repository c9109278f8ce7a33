package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
	"github.com/keyreach/keyreach/sandbox"
)

// rehearseOptions are the flags of rehearse.
type rehearseOptions struct {
	check  checkOptions
	format format
	tight  bool
	revoke bool
}

func newRehearse(s *streams) *cobra.Command {
	o := rehearseOptions{format: textFormat}
	c := &cobra.Command{
		Use:   "rehearse [DIR|FILE]",
		Short: "Rehearse the routes on a twin of the estate: check, plan, apply, recover",
		Long: `rehearse starts a twin of the estate on an AWS of its own, in this process: it
checks the routes, plans what they lack, applies the plan, performs the recovery
with the SDK as the routes' own actors, and ends what it started. No AWS account
is needed and none is called. What an estate does not say is taken for granted:
that the actors may call the services (but not use keys), and that there is data.

It exits 0 when the recovery worked, and 3 when something stays blocked that no
change of permissions opens: it then says who has to do what.`,
		Example: "  keyreach rehearse examples/drs-cross-account\n  keyreach rehearse --revoke examples/rds-default-key-corrected",
		Args:    atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	f := c.Flags()
	f.StringVar(&o.check.estate, "estate", "", "the estate `FILE` (default: estate.json beside keyreach.yaml)")
	f.StringArrayVar(&o.check.routes, "route", nil, "rehearse this `ROUTE` only; may be given again")
	f.BoolVar(&o.tight, "tight", false, "plan the uses only that AWS was seen to need")
	f.BoolVar(&o.revoke, "revoke", false, "close again what was opened, and see that it is closed")
	f.VarP(oneOf(&o.format, textFormat, jsonFormat, yamlFormat), "output", "o", "how to print")
	return c
}

// rehearsal is one rehearsal and what came out.
type rehearsal struct {
	o       *rehearseOptions
	s       *streams
	file    *route.File
	routes  []route.Route
	estate  *estate.Estate
	box     *sandbox.Sandbox
	cloud   *live.Cloud
	journal *run.Journal
	writers map[string]string // who writes in an account
	stages  map[string]*stage // by route
	talk    *printer          // what is told while it goes on
	told    string            // last of a drill
	acted   int               // parts that were told

	before, after, closed []route.Proof
	plan                  *plan.Plan
	applied               *run.Run
	drills                map[string]*drill // by route
	took                  time.Duration
}

// drill is how the performance of a route ended.
type drill struct {
	run    *run.Run
	moves  []run.Move
	failed error
	// unable says why it could not be performed at all.
	unable error
}

func (o *rehearseOptions) run(ctx context.Context, s *streams, path string) error {
	r, err := o.check.prove(path)
	if err != nil {
		return err
	}
	h := &rehearsal{o: o, s: s, file: r.file, estate: r.estate, before: r.proofs, drills: map[string]*drill{}, stages: map[string]*stage{}}
	h.talk = &printer{w: s.err}
	if o.format == textFormat {
		h.talk.w = s.out
	}
	for _, i := range r.chosen {
		h.routes = append(h.routes, r.file.Routes[i])
	}
	begun := time.Now()
	if err := h.perform(ctx); err != nil {
		return err
	}
	h.took = time.Since(begun)
	return h.tell()
}

// perform makes the twin and does everything on it.
func (h *rehearsal) perform(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "keyreach-rehearsal-")
	if err != nil {
		return failure(fmt.Errorf("making room for the rehearsal: %w", err))
	}
	defer os.RemoveAll(dir)
	if h.journal, err = run.Open(dir); err != nil {
		return failure(err)
	}
	defer h.journal.Close()
	twin, err := h.twin()
	if err != nil {
		return failure(err)
	}
	if h.box, err = sandbox.New(sandbox.Options{Estate: twin}); err != nil {
		return failure(fmt.Errorf("starting the twin: %w", err))
	}
	defer h.box.Close()
	stop, err := h.serve()
	if err != nil {
		return failure(err)
	}
	defer stop()
	return h.acts(ctx)
}

// serve answers the SDK's calls on a port of this machine, until it is stopped.
func (h *rehearsal) serve() (stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the twin: %w", err)
	}
	web := &http.Server{Handler: h.box, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // it ends when it is closed
	h.cloud = live.Open(live.Options{Endpoint: "http://" + listener.Addr().String(), SignIn: h.signIn, SessionName: "rehearsal"})
	return func() { _ = web.Close() }, nil
}

// signIn gives the credentials of a principal of the twin: of an account's number, those
// of whoever writes there.
func (h *rehearsal) signIn(_ context.Context, principal string) (live.Keys, error) {
	if w := h.writers[principal]; w != "" {
		principal = w
	} else if len(principal) == 12 {
		principal = "arn:aws:iam::" + principal + ":root"
	}
	c, err := h.box.SignIn(principal, 12*time.Hour)
	return live.Keys{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expires}, err
}

// twinClock is the clock of the twin: waiting moves it on.
type twinClock struct{ box *sandbox.Sandbox }

func (c twinClock) Now() time.Time { return c.box.Now() }

func (c twinClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.box.Advance(d)
}

// acts are the acts of the rehearsal, each told as it goes on.
func (h *rehearsal) acts(ctx context.Context) error {
	h.tellBefore()
	var err error
	if h.plan, err = plan.Make(h.routes, h.estate, plan.Options{At: time.Now().UTC(), Chosen: plan.Chosen{Tight: h.o.tight}}); err != nil {
		return refusedOr(err)
	}
	h.tellPlan()
	if err := h.apply(ctx); err != nil {
		return err
	}
	for i := range h.routes {
		if h.stuck(h.routes[i].Name) {
			continue
		}
		if err := h.drill(ctx, &h.routes[i]); err != nil {
			return err
		}
	}
	// Some facts come about while a route is performed, such as that servers are extended.
	if h.after, err = h.proveNow(); err != nil {
		return failure(err)
	}
	if !h.o.revoke {
		return nil
	}
	return h.close(ctx)
}

// stuck reports whether no op opens a route.
func (h *rehearsal) stuck(name string) bool {
	for i := range h.plan.Stuck {
		if h.plan.Stuck[i].Route == name {
			return true
		}
	}
	return false
}

func (h *rehearsal) apply(ctx context.Context) error {
	if h.plan.Empty() {
		return nil
	}
	h.tellApply()
	var err error
	h.applied, err = run.Apply(ctx, h.cloud, h.journal, h.plan, run.Options{Clock: twinClock{h.box}})
	if err != nil {
		return failure(fmt.Errorf("applying the plan on the twin: %w", err))
	}
	return nil
}

// proveNow proves the routes on what the twin holds now.
func (h *rehearsal) proveNow() ([]route.Proof, error) {
	e, err := h.box.Estate()
	if err != nil {
		return nil, err
	}
	var proofs []route.Proof
	for i := range h.routes {
		p, err := route.Prove(&h.routes[i], e, h.box.Now())
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, p)
	}
	return proofs, nil
}

// drill performs a route as its actors, and ends what it started.
func (h *rehearsal) drill(ctx context.Context, r *route.Route) error {
	d := &drill{}
	h.drills[r.Name] = d
	e, err := h.box.Estate()
	if err != nil {
		return failure(err)
	}
	work, err := h.work(r)
	if err == nil {
		d.moves, err = run.Moves(r, e, work)
	}
	if err != nil {
		d.unable = err
		return nil
	}
	h.tellDrill(r)
	o := run.MoveOptions{Options: run.Options{Clock: twinClock{h.box}, Report: h.tellMove}, Poll: 10 * time.Second}
	d.run, d.failed = run.Perform(ctx, h.cloud, h.journal, d.moves, []string{r.Name}, o)
	if errors.Is(d.failed, context.Canceled) {
		return d.failed
	}
	if d.run == nil {
		return failure(fmt.Errorf("performing the route %s on the twin: %w", r.Name, d.failed))
	}
	if d.failed != nil {
		return h.clean(ctx, d, o)
	}
	return nil
}

// clean ends what a drill started that failed.
func (h *rehearsal) clean(ctx context.Context, d *drill, o run.MoveOptions) error {
	cleaned, err := run.Clean(ctx, h.cloud, h.journal, d.run.ID, o)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if cleaned != nil {
		d.run = cleaned
	}
	return nil // what could not be ended is listed
}

// close takes away what the plan opened, and proves that it is closed.
func (h *rehearsal) close(ctx context.Context) error {
	for i := range h.routes {
		e, err := h.box.Estate()
		if err != nil {
			return failure(err)
		}
		p, err := plan.Revoke(h.routes[i].Name, h.routes[i:], e, plan.Options{At: h.box.Now()})
		if err != nil {
			return refusedOr(err)
		}
		if p.Empty() {
			continue
		}
		h.tellClose(p)
		if _, err := run.Apply(ctx, h.cloud, h.journal, p, run.Options{Clock: twinClock{h.box}}); err != nil {
			return failure(fmt.Errorf("closing the route %s on the twin: %w", h.routes[i].Name, err))
		}
	}
	var err error
	if h.closed, err = h.proveNow(); err != nil {
		return failure(err)
	}
	return nil
}

// refusedOr gives the refusal of a guard its exit code.
func refusedOr(err error) error {
	var refused *plan.RefusedError
	if errors.As(err, &refused) {
		return &exitError{code: exitGuarded, err: err}
	}
	return failure(err)
}

// works reports whether every route of the rehearsal was performed to its end.
func (h *rehearsal) works() bool {
	if len(h.plan.Stuck) > 0 {
		return false
	}
	for i := range h.routes {
		if d := h.drills[h.routes[i].Name]; d == nil || d.failed != nil || d.unable != nil {
			return false
		}
	}
	return true
}
