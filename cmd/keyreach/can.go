package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// canOptions are the flags of can.
type canOptions struct {
	via     string
	context []string
	estate  string
	cases   string
	format  format
}

func newCan(s *streams) *cobra.Command {
	o := canOptions{format: textFormat}
	c := &cobra.Command{
		Use:   "can PRINCIPAL ACTION KEY | can --cases FILE",
		Short: "Ask whether a principal may do an action on a key, and why",
		Long: `can asks one question and gives every reason for the answer. A role's ARN stands
for any session of the role without a session policy. The key may be given by
its ARN, or by its id or alias when one key of the estate has it.

With --cases it decides the cases of a file, one JSON object on each line, and
prints a line for each.`,
		Example: `  keyreach can arn:aws:iam::111122223333:role/RecoveryOperator kms:ReEncryptFrom \
    alias/drs-cross-account-ebs --via ec2 --estate examples/drs-cross-account/estate.json
  keyreach can --cases cases.jsonl`,
		Args: o.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			if o.cases != "" {
				return decideCases(c.Context(), s, o.cases)
			}
			return o.run(s, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.via, "via", "", "the `SERVICE` that forwards the call: ec2, or ec2.us-east-1.amazonaws.com")
	f.StringArrayVar(&o.context, "context", nil, "a context `KEY=VALUE`; again for more values; KEY=? is not known")
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` (default: estate.json in this directory)")
	f.StringVar(&o.cases, "cases", "", "decide the cases of this `FILE`; - is standard input")
	f.VarP(anyFormat(&o.format), "output", "o", "how to print")
	return c
}

func (o *canOptions) arguments(c *cobra.Command, args []string) error {
	switch {
	case o.cases != "" && len(args) > 0:
		return misuse(fmt.Errorf("--cases takes no further arguments, and %q is given", args)).hinting("ask one question, or give a file of cases")
	case o.cases != "":
		for _, name := range []string{"via", "context", "estate", "output"} {
			if c.Flags().Changed(name) {
				return misuse(fmt.Errorf("--%s does not go with --cases: a case says it all", name)).hinting("write it into the cases")
			}
		}
	case len(args) != 3:
		return misuse(fmt.Errorf("can takes PRINCIPAL ACTION KEY, and %d arguments are given", len(args))).hinting("see keyreach can --help")
	}
	return nil
}

func (o *canOptions) run(s *streams, args []string) error {
	path := o.estate
	if path == "" {
		path = "estate.json"
	}
	e, err := estate.LoadFile(path)
	if err != nil {
		return unreadable(err).hinting(hintFor(err, "give the estate with --estate FILE"))
	}
	q, err := o.question(e, args[0], args[1], args[2])
	if err != nil {
		return err
	}
	for _, n := range q.notes {
		fmt.Fprintln(s.err, "keyreach: "+n)
	}
	q.request.At = time.Now().UTC()
	c := e.Bind(q.request)
	d := access.Authorize(&c)
	if err := o.print(s.out, &c, &d); err != nil {
		return failure(err)
	}
	if !d.Open() {
		return blocked()
	}
	return nil
}

func (o *canOptions) print(w io.Writer, c *estate.Case, d *access.Decision) error {
	switch o.format {
	case textFormat:
		return canText(w, c, d)
	case markdownFormat:
		return canMarkdown(w, c, d)
	}
	return o.format.writeData(w, canView{
		FormatVersion: estate.FormatVersion, Principal: c.Request.Caller.Text, Action: c.Request.Action, Resource: c.Request.Resource,
		Context: contextOf(c), decisionView: viewOf(d),
	})
}

// canView is the JSON form of one answer.
type canView struct {
	FormatVersion int           `json:"format_version"`
	Principal     string        `json:"principal"`
	Action        string        `json:"action"`
	Resource      string        `json:"resource"`
	Context       []contextView `json:"context,omitempty"`
	decisionView
}

type contextView struct {
	Key    string   `json:"key"`
	Values []string `json:"values,omitempty"`
	Origin string   `json:"origin"`
}

// contextOf lists the context values that were given, and those that a policy
// of the case asks for, with where each came from.
func contextOf(c *estate.Case) []contextView {
	names := map[string]string{} // by lower case
	for i := range c.Request.Context {
		name := c.Request.Context[i].Name
		names[strings.ToLower(name)] = name
	}
	for _, n := range c.Policies() {
		for _, s := range n.Source.Statements {
			for _, op := range s.Conditions {
				for _, k := range op.Keys {
					if fold := strings.ToLower(k.Name); k.Name != "" && names[fold] == "" {
						names[fold] = k.Name
					}
				}
			}
		}
	}
	var vs []contextView
	for _, name := range names {
		v, origin := c.Describe(name)
		view := contextView{Key: name, Origin: string(origin)}
		switch {
		case v.Presence != policy.Present:
		case v.Multi:
			view.Values = v.Many
		default:
			view.Values = []string{v.One}
		}
		vs = append(vs, view)
	}
	slices.SortFunc(vs, func(a, b contextView) int { return strings.Compare(a.Key, b.Key) })
	return vs
}

// openCases opens a file of cases.
func openCases(s *streams, path string) (io.Reader, string, func() error, error) {
	if path == "-" {
		return s.in, "standard input", func() error { return nil }, nil
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, "", nil, fmt.Errorf("reading cases: %w", err)
	}
	return f, path, f.Close, nil
}
