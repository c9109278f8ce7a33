package main

import (
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/plan"
)

func newPlanShow(s *streams) *cobra.Command {
	f := textFormat
	var accounts []string
	c := &cobra.Command{
		Use:     "show FILE",
		Short:   "Show a saved plan",
		Long:    "show prints a plan that keyreach plan --out saved. One that was changed since is\nrefused: its digest says so.",
		Example: "  keyreach plan show plan.json\n  keyreach plan show plan.json -o markdown",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse(fmt.Errorf("plan show takes one plan file, and %d are given", len(args))).hinting("save one with keyreach plan --out FILE")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := plan.LoadFile(args[0])
			if err != nil {
				return unreadable(err).hinting(hintFor(err, "save one with keyreach plan --out FILE"))
			}
			r := &planReport{plan: p, out: args[0]}
			if r.only, err = accountsOf(accounts, p, nil); err != nil {
				return err
			}
			if err := r.print(s.out, f); err != nil {
				return failure(err)
			}
			return nil
		},
	}
	c.Flags().VarP(anyFormat(&f), "output", "o", "how to print; json and yaml are the plan file itself")
	c.Flags().StringArrayVar(&accounts, "account", nil, "show only the part of the account with this `ID`; may be given again")
	return c
}

// writeRaw prints what is JSON already as JSON or YAML.
func (f format) writeRaw(w io.Writer, data []byte) error {
	if f == yamlFormat {
		var err error
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("writing %s: %w", f, err)
		}
	}
	_, err := w.Write(data)
	return err
}
