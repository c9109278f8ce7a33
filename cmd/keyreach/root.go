package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
)

// streams are where a command reads and writes: data goes to out, talk to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// execute is the program without the process: it returns the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	s := &streams{in: in, out: out, err: errs}
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(errs, "keyreach: interrupted")
		return exitStopped
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = unnamed(err)
	}
	var file *estate.FileError
	switch {
	case errors.As(err, &file):
		fmt.Fprintln(errs, file) // each of its lines has a place of its own
	case exit.err != nil:
		fmt.Fprintln(errs, "keyreach: "+legible(exit.err.Error()))
	}
	if exit.hint != "" {
		fmt.Fprintln(errs, "  "+strings.ReplaceAll(exit.hint, "\n", "\n  "))
	}
	return exit.code
}

// unnamed is a failure that no command gave its code: what cobra refuses before one runs is a
// matter of usage, and what could not be written, as to a full disk, is none.
func unnamed(err error) *exitError {
	var written *fs.PathError
	if errors.As(err, &written) && written.Op == "write" {
		return failure(err)
	}
	return misuse(err)
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "keyreach",
		Short: "Prove who can open encrypted AWS data before the day it matters",
		Long: `Keyreach proves beforehand that the right account can open encrypted AWS data,
and says exactly who lacks what on which key, and why.

Exit codes: 0 done, proven, allowed · 1 error · 2 changes, when asked · 3 blocked,
denied, unknown or open-if, or findings · 4 usage or configuration · 5 credentials
or account mismatch · 6 partial, resumable · 7 refused by a guard · 8 the plan is
stale · of backups: 10 no key opens it, 11 corrupt, 12 truncated, 13 access denied,
14 not found · 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,
		Args:                       unknownCommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetIn(s.in)
	root.SetFlagErrorFunc(badFlag)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newInit(s), newCollect(s), newCheck(s), newCan(s), newDiagnose(s), newWhy(s), newLint(s), newExplain(s), newPlan(s), newApply(s),
		newUndo(s), newRevoke(s), newRun(s), newRuns(s), newBackup(s), newRehearse(s), newRoutes(s), newIAMPolicy(s), newSandbox(s), newVersion(s))
	root.SetHelpCommand(newHelp())
	return root
}

// newHelp is cobra's help, except that it refuses what is no command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// badFlag refuses a flag, with the one that was meant.
func badFlag(c *cobra.Command, err error) error {
	hint := "see " + c.CommandPath() + " --help"
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var names []string
		for word := range strings.FieldsSeq(c.Flags().FlagUsages()) {
			if n, ok := strings.CutPrefix(word, "--"); ok {
				names = append(names, n)
			}
		}
		if near := source.Suggest(name, names); near != "" {
			hint = "did you mean --" + near + "?\n" + hint
		}
	}
	return misuse(err).hinting(hint)
}

// unknownCommand refuses what is no command, with the one that was meant.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see keyreach --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return misuse(fmt.Errorf("there is no command %q", args[0])).hinting(hint)
}
