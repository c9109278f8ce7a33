package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/route"
)

// checkOptions are the flags of check.
type checkOptions struct {
	estate string
	format format
	out    string
	strict bool
	failOn finding.Severity
	routes []string
	liveCheck
	collected *estate.Estate // in place of a file's
}

func newCheck(s *streams) *cobra.Command {
	o := checkOptions{format: textFormat, failOn: finding.Error}
	failOn := o.failOn.String()
	c := &cobra.Command{
		Use:   "check [DIR|FILE]",
		Short: "Prove the declared routes: who lacks what on which key, and why",
		Long: `check proves every route that keyreach.yaml declares on the estate beside it, step
by step: proven, fragile (AWS asks for more than it was recorded to need),
open-if (it rests on something not known), or blocked.

With --live the estate is collected from AWS first. With --probe dryrun KMS is asked
too, about each request that can be made from here as it will be made on the day; what a
service forwards cannot. Where KMS answers otherwise than the policies say, the exit
code is 3.`,
		Example: "  keyreach check examples/drs-cross-account\n  keyreach check -o json --estate collected.json .",
		Args:    atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.failOn.UnmarshalText([]byte(failOn)); err != nil {
				return misuse(fmt.Errorf("--fail-on: %w", err))
			}
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	f := c.Flags()
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` (default: estate.json beside keyreach.yaml)")
	f.VarP(anyFormat(&o.format), "output", "o", "how to print")
	f.StringVar(&o.out, "out", "", "print to a `FILE`")
	f.BoolVar(&o.strict, "strict", false, "exit 3 for a fragile step too")
	f.StringVar(&failOn, "fail-on", failOn, "exit 3 for a finding of this `SEVERITY` or above: info, warning, error, critical")
	f.StringArrayVar(&o.routes, "route", nil, "check this `ROUTE` only; may be given again")
	o.addLive(f)
	return c
}

func atMostOne(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return misuse(fmt.Errorf("%s takes one directory or file, and %d are given", c.CommandPath(), len(args))).hinting("give one, or run it for each")
	}
	return nil
}

func (o *checkOptions) run(ctx context.Context, s *streams, path string) error {
	if err := o.validate(o); err != nil {
		return err
	}
	if o.live {
		if err := o.collectLive(ctx, s, path); err != nil {
			return err
		}
	}
	r, err := o.prove(path)
	if err != nil {
		return err
	}
	if o.probe != "" {
		if err := o.probes(ctx, r); err != nil {
			return err
		}
	}
	err = s.output(o.out, func(w io.Writer) error {
		switch o.format {
		case textFormat:
			return r.text(w)
		case markdownFormat:
			return r.markdown(w)
		}
		return o.format.writeData(w, r.view())
	})
	if err != nil {
		return failure(err)
	}
	if r.fails(o) {
		return blocked()
	}
	return nil
}

// report is what check found out.
type report struct {
	file     *route.File
	estate   *estate.Estate
	estateAt string
	chosen   []int // indexes of the routes
	proofs   []route.Proof
	findings []finding.Finding // of the whole estate
	answers  answers           // of KMS, when it was asked
}

func (o *checkOptions) prove(path string) (*report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, misuse(fmt.Errorf("looking for the routes: %w", err)).hinting("name a directory with " + route.FileName + ", or the file itself")
	}
	if info.IsDir() {
		path = filepath.Join(path, route.FileName)
	}
	file, err := route.LoadFile(path)
	if err != nil {
		return nil, unreadable(err).hinting(hintFor(err, "name a directory with "+route.FileName+", or the file itself"))
	}
	r := &report{file: file, estateAt: o.estate}
	if r.estateAt == "" {
		r.estateAt = file.EstatePath()
	}
	if o.collected != nil {
		r.estate, r.estateAt = o.collected, "collected from AWS just now"
	} else if r.estate, err = estate.LoadFile(r.estateAt); err != nil {
		return nil, unreadable(err).hinting(hintFor(err, "give the estate with --estate FILE"))
	}
	if err := r.choose(o.routes); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	for _, i := range r.chosen {
		p, err := route.Prove(&file.Routes[i], r.estate, now)
		if err != nil {
			return nil, misuse(err)
		}
		p.Find(&file.Routes[i], r.estate)
		r.proofs = append(r.proofs, p)
	}
	r.findings = r.estate.Findings()
	return r, nil
}

// hintFor keeps a hint for a file that is not there; one that is wrong has
// hints of its own.
func hintFor(err error, hint string) string {
	if os.IsNotExist(unwrapAll(err)) {
		return hint
	}
	return ""
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || os.IsNotExist(err) {
			return err
		}
		err = u.Unwrap()
	}
}

func (r *report) choose(names []string) error {
	var known []string
	for i := range r.file.Routes {
		known = append(known, r.file.Routes[i].Name)
		if len(names) == 0 || slices.Contains(names, r.file.Routes[i].Name) {
			r.chosen = append(r.chosen, i)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return misuse(fmt.Errorf("%s declares no route called %q", r.file.Path, n)).hinting(fmt.Sprintf("it declares %q", known))
		}
	}
	return nil
}

func (r *report) verdict() route.Verdict {
	v := route.Proven
	for i := range r.proofs {
		v = max(v, r.proofs[i].Verdict)
	}
	return v
}

// fails reports whether the exit code is 3.
func (r *report) fails(o *checkOptions) bool {
	limit := route.Fragile
	if o.strict {
		limit = route.Proven
	}
	if r.verdict() > limit || r.contradicted() {
		return true
	}
	all := slices.Clone(r.findings)
	for i := range r.proofs {
		all = append(all, r.proofs[i].Findings...)
	}
	worst, any := finding.Worst(all)
	return any && worst >= o.failOn
}
