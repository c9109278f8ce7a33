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
		Long: `sandbox runs KMS, IAM, STS, Organizations and CloudTrail on this machine, and the
services that use keys for others: EC2 with EBS, Auto Scaling, RDS, Elastic Disaster
Recovery, S3, AWS Backup, EventBridge, Secrets Manager and the Parameter Store. It has
as many accounts as you like, and decides every call by policies, grants and control
policies as AWS does. It prints its URL when it is ready and runs until it is
interrupted or terminated, which ends it well: with 0, not with 130.

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
		RunE: func(c *cobra.Command, _ []string) error {
			if err := refuseEmpty(c, "estate", "state"); err != nil {
				return err
			}
			return o.run(c.Context(), s)
		},
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

// refuseEmpty refuses flags that are given without a value: it was to come from a
// variable that is not set, and without it the sandbox would keep or hold nothing.
func refuseEmpty(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return misuse(fmt.Errorf("--%s is empty", name)).hinting("give a file, or leave --" + name + " out; is the variable set that it comes from?")
		}
	}
	return nil
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
	at := listener.Addr().(*net.TCPAddr)
	o.warn(s, at.IP, box.Kept())
	collectAt(sandbox.GCPercent)
	if _, err := fmt.Fprintf(s.out, "keyreach sandbox is ready at %s\n", urlOf(at)); err != nil {
		return failure(errors.Join(err, box.Close()))
	}
	return o.serve(ctx, s, listener, box)
}

// urlOf is where programs on this machine find the sandbox. That of all addresses is
// none that one can call.
func urlOf(at *net.TCPAddr) string {
	if at.IP.IsUnspecified() {
		at = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.Port}
	}
	return "http://" + at.String()
}

// warn says what its user may not expect of the flags together.
func (o *sandboxOptions) warn(s *streams, ip net.IP, kept bool) {
	if kept && o.estate != "" {
		fmt.Fprintf(s.err, "keyreach: %s holds a sandbox already, so %s is not read\n", o.state, o.estate)
	}
	if o.strict && !kept {
		fmt.Fprint(s.err, noCredentials)
	}
	if ip.IsLoopback() {
		return
	}
	where, who := ip.String(), "may do everything there, since an account number is all it takes; --strict asks for credentials"
	if ip.IsUnspecified() {
		where = "all addresses of this machine"
	}
	if o.strict {
		who = "may call it with credentials of its IAM and STS"
	}
	fmt.Fprintf(s.err, "keyreach: the sandbox listens on %s: whoever reaches it %s\n  its own endpoints under /_keyreach/ answer this machine only\n", where, who)
}

// noCredentials is said of a strict sandbox that nobody can call.
const noCredentials = `keyreach: --strict takes only credentials of the sandbox, and a new one has none: nobody can call it
  start it with --state FILE and without --strict, make an access key for a user
  (aws iam create-access-key), and start it again with both
`

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
	if err := o.checkListen(); err != nil {
		return options, err
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

// checkListen refuses what can be no address on any machine.
func (o *sandboxOptions) checkListen() error {
	const hint = "as in --listen 127.0.0.1:4599"
	_, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return misuse(fmt.Errorf("--listen %q is not an address with a port: %w", o.listen, err)).hinting(hint)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return misuse(fmt.Errorf("--listen %q has the port %q, and ports go from 0 to 65535", o.listen, port)).hinting(hint)
	}
	return nil
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

// stateHint is what to do about a sandbox that does not start.
func (o *sandboxOptions) stateHint() string {
	dir := filepath.Dir(o.state)
	switch {
	case o.state == "":
		return "" // the estate is to blame
	case exists(o.state):
		return "to start anew, give another file with --state"
	case !exists(dir):
		return "make the directory " + dir + " first, or give a file in another one with --state"
	}
	return "give a file that can be written with --state"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}
