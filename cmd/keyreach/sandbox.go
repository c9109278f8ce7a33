package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

// sandboxOptions are the flags of sandbox.
type sandboxOptions struct {
	listen         string
	estate         string
	state          string
	defaultAccount string
	strict         bool
	grantDelay     time.Duration
}

func newSandbox(s *streams) *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run an AWS of your own that refuses what AWS refuses",
		Long: `sandbox runs KMS, IAM, STS, Organizations and CloudTrail on this machine, with as
many accounts as you like, and decides every call by policies, grants and control
policies as AWS does. It prints its URL when it is ready and runs until it is
interrupted.

An access key id that is an account number is that account's root user, whatever
the secret:

  export AWS_ENDPOINT_URL=http://127.0.0.1:4599 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=111122223333 AWS_SECRET_ACCESS_KEY=any
  aws kms create-key

Why a call was decided as it was: GET /_keyreach/decisions/REQUEST-ID. See
docs/sandbox.md for the rest.`,
		Example: `  keyreach sandbox
  keyreach sandbox --estate examples/drs-cross-account --state sandbox.db`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s) },
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:4599", "the `ADDRESS` to listen on; port 0 is any that is free")
	f.StringVar(&o.estate, "estate", "", "fill the sandbox from this estate, a `FILE` or the directory of an estate.json")
	f.StringVar(&o.state, "state", "", "keep the state in this `FILE`, for the next start")
	f.StringVar(&o.defaultAccount, "default-account", "", "take credentials that nobody knows as the root user of this `ACCOUNT`")
	f.BoolVar(&o.strict, "strict", false, "take only credentials of the sandbox's own IAM and STS, no account numbers")
	f.DurationVar(&o.grantDelay, "grant-delay", 0, "let new grants count for callers without their token only after this `TIME`")
	return c
}

func (o *sandboxOptions) run(ctx context.Context, s *streams) error {
	options, err := o.options()
	if err != nil {
		return err
	}
	// The port first: what is wrong with it shall not leave a new state file.
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return o.notListening(err)
	}
	defer listener.Close()
	box, err := sandbox.New(options)
	if err != nil {
		return failure(fmt.Errorf("starting the sandbox: %w", err)).hinting(o.stateHint())
	}
	if box.Kept() && options.Estate != nil {
		fmt.Fprintf(s.err, "keyreach: %s holds a sandbox already, so %s is not read\n", o.state, o.estate)
	}
	if host, _, err := net.SplitHostPort(o.listen); err == nil && !loopback(host) {
		fmt.Fprintln(s.err, "keyreach: the sandbox listens beyond this machine: whoever reaches it may do everything unless --strict is given")
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(sandbox.GCPercent)
	}
	if _, err := fmt.Fprintf(s.out, "keyreach sandbox is ready at http://%s\n", listener.Addr()); err != nil {
		return failure(errors.Join(err, box.Close()))
	}
	return o.serve(ctx, s, listener, box)
}

// options reads what the flags name.
func (o *sandboxOptions) options() (sandbox.Options, error) {
	options := sandbox.Options{State: o.state, DefaultAccount: o.defaultAccount, Strict: o.strict, GrantDelay: o.grantDelay}
	switch {
	case o.defaultAccount != "" && !arn.IsAccount(o.defaultAccount):
		return options, misuse(fmt.Errorf("--default-account %q is not an account number, which has twelve digits", o.defaultAccount))
	case o.defaultAccount != "" && o.strict:
		return options, misuse(errors.New("--strict and --default-account exclude each other")).hinting("--strict takes no credentials that nobody knows")
	case o.grantDelay < 0:
		return options, misuse(fmt.Errorf("--grant-delay %s is negative", o.grantDelay))
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return options, misuse(fmt.Errorf("--listen %q is not an address with a port: %w", o.listen, err)).hinting("as in --listen 127.0.0.1:4599")
	}
	if o.estate == "" {
		return options, nil
	}
	path := o.estate
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "estate.json")
	}
	e, err := estate.LoadFile(path)
	if err != nil {
		return options, unreadable(err).hinting(hintFor(err, "give an estate file, or a directory with an estate.json, to --estate"))
	}
	options.Estate = e
	return options, nil
}

// serve answers until the program is interrupted, lets the calls that run end, and
// closes the state.
func (o *sandboxOptions) serve(ctx context.Context, s *streams, listener net.Listener, box *sandbox.Sandbox) error {
	web := &http.Server{Handler: box, ErrorLog: log.New(s.err, "keyreach: ", 0), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = web.Shutdown(rest)
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if err = errors.Join(err, box.Close()); err != nil {
		return failure(fmt.Errorf("running the sandbox: %w", err))
	}
	return nil
}

func (o *sandboxOptions) notListening(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return failure(fmt.Errorf("listening on %s: another program does", o.listen)).hinting("end it, or give another address with --listen; port 0 takes any that is free")
	}
	return failure(fmt.Errorf("listening on %s: %w", o.listen, err)).hinting("give an address of this machine with --listen")
}

func (o *sandboxOptions) stateHint() string {
	if !exists(o.state) {
		return ""
	}
	return "to start anew, give another file with --state"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
