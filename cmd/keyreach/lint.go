package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
)

// lintOptions are the flags of lint.
type lintOptions struct {
	format  string
	failOn  string
	estate  string
	config  string
	only    []string
	out     string
	fix     bool
	yes     bool
	access  bool
	ignored bool
	account string
}

func newLint(s *streams) *cobra.Command {
	o := lintOptions{format: "text"}
	c := &cobra.Command{
		Use:   "lint FILE…",
		Short: "Find what is wrong in policies, templates, grants and commands",
		Long: `lint reads key policies and IAM policies, CloudFormation, SAM and CDK templates,
Terraform and its plans, Ansible tasks, Crossplane and ACK resources, grants, shell
scripts and Markdown with aws commands in them, estates and keyreach.yaml. It finds
out itself what a file is. A directory stands for the files in it.

A comment "keyreach:ignore RULE why" keeps a finding from being told, on its own line
or on the line before; keyreach:ignore-file does so for the whole file, and
keyreach-lint.yaml for files that hold no comments. A reason has to be given.

Exit codes: 0 nothing at or above --fail-on · 3 findings at or above it · 4 usage ·
7 --fix, and nobody approved.`,
		Example: `  keyreach lint policies/ template.yaml main.tf
  keyreach lint -o sarif --out lint.sarif .
  keyreach lint --fix policies/key.json
  keyreach lint --access key-policy.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misuse(errors.New("lint takes files, and none is given")).hinting("name files or directories; . is this one, - is standard input")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), s, args) },
	}
	f := c.Flags()
	f.VarP(oneOf(&o.format, "text", "json", "sarif", "junit", "github"), "output", "o", "how to print")
	f.StringVar(&o.failOn, "fail-on", "error", "exit with 3 from this `SEVERITY` on: info, warning, error, critical or never")
	f.StringVar(&o.estate, "estate", "", "ask this estate `FILE` too: who exists, what else they may")
	f.StringVar(&o.config, "config", "", "the configuration `FILE` (default: "+lint.ConfigName+" in this directory)")
	f.StringSliceVar(&o.only, "rule", nil, "look for this `RULE` only; again for more")
	f.StringVar(&o.out, "out", "", "write the answer to this `FILE`")
	f.BoolVar(&o.fix, "fix", false, "show what can be mended safely as a diff, and write it after a yes")
	f.BoolVar(&o.yes, "auto-approve", false, "with --fix: do not ask for a yes")
	f.BoolVar(&o.access, "access", false, "list who outside the account may do what with the keys, instead of findings")
	f.StringVar(&o.account, "account", "", "with --access: the `ACCOUNT` that the policies belong to, where they do not tell")
	f.BoolVar(&o.ignored, "ignored", false, "have what is ignored in SARIF too, as suppressed; GitHub would show it as open")
	c.MarkFlagsMutuallyExclusive("fix", "access")
	return c
}

func (o *lintOptions) run(ctx context.Context, s *streams, args []string) error {
	failOn, err := o.limit()
	if err != nil {
		return err
	}
	options, err := o.options()
	if err != nil {
		return err
	}
	files, err := lintFiles(s, args)
	if err != nil {
		return err
	}
	if o.access {
		return o.reach(ctx, s, files, options.Estate)
	}
	results, err := lint.Run(ctx, files, options)
	if err != nil {
		return err
	}
	if o.fix {
		if results, err = o.mend(ctx, s, files, results, options); err != nil {
			return err
		}
	}
	if err := s.output(o.out, func(w io.Writer) error { return o.print(w, results, failOn) }); err != nil {
		return failure(err)
	}
	if worst, any := lint.Worst(results); any && worst >= failOn {
		return blocked()
	}
	return nil
}

// limit is the severity from which on findings are a failure.
func (o *lintOptions) limit() (finding.Severity, error) {
	if o.failOn == "never" {
		return finding.Critical + 1, nil
	}
	var failOn finding.Severity
	if err := failOn.UnmarshalText([]byte(o.failOn)); err != nil {
		return 0, misuse(fmt.Errorf("--fail-on: %w", err)).hinting("or never")
	}
	return failOn, nil
}

func (o *lintOptions) options() (lint.Options, error) {
	options := lint.Options{}
	if len(o.only) > 0 {
		for _, id := range o.only {
			r, ok := lint.Lookup(id)
			if !ok {
				return options, misuse(fmt.Errorf("there is no rule %q", id)).hinting(nearRule(id))
			}
			options.Rules = append(options.Rules, r)
		}
	}
	if o.estate != "" {
		e, err := estate.LoadFile(o.estate)
		if err != nil {
			return options, unreadable(err)
		}
		options.Estate = e
	}
	path := o.config
	if path == "" {
		path = lint.ConfigName
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && o.config == "" {
		return options, nil
	} else if err != nil {
		return options, misuse(fmt.Errorf("reading the configuration: %w", err))
	}
	config, err := lint.ReadConfig(path, data)
	if err != nil {
		return options, unreadable(err)
	}
	options.Ignore = config.Ignore
	return options, nil
}

// lintFiles finds what was named, each file once. A name that leads nowhere is
// a finding, unless all do: then they were written wrongly.
func lintFiles(s *streams, args []string) ([]lint.File, error) {
	var files []lint.File
	var lost error
	seen := map[string]bool{}
	for _, name := range args {
		if name == "-" {
			files = append(files, lint.File{Name: stdinName, Read: func(ctx context.Context) ([]byte, error) {
				return lately(ctx, func() ([]byte, error) { return readBounded(s.in) })
			}})
			continue
		}
		found, err := lint.Walk(name)
		if err != nil {
			lost = cmp.Or(lost, err)
			found = []lint.File{{Name: name, Err: err}}
		}
		for _, f := range found {
			if id := filepath.Clean(f.Name); !seen[id] {
				seen[id] = true
				files = append(files, reading(f))
			}
		}
	}
	switch {
	case len(files) == 0:
		return nil, misuse(fmt.Errorf("nothing in %s could hold a policy, by the names of the files", strings.Join(args, ", "))).
			hinting("name the files themselves: whatever is named is read")
	case lost != nil && !slices.ContainsFunc(files, func(f lint.File) bool { return f.Err == nil }):
		return nil, misuse(lost).hinting("look at the name; a directory stands for the files in it")
	}
	return files, nil
}

// reading has a file read when its turn comes.
func reading(f lint.File) lint.File {
	if f.Err == nil {
		f.Read = func(ctx context.Context) ([]byte, error) {
			return lately(ctx, func() ([]byte, error) {
				in, err := os.Open(filepath.Clean(f.Name))
				if err != nil {
					return nil, err
				}
				defer in.Close()
				return readBounded(in)
			})
		}
	}
	return f
}

// lately waits for what is read, and not longer than somebody wants: a pipe may
// never be written to.
func lately(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		data, err := read()
		done <- answer{data, err}
	}()
	select {
	case a := <-done:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// maxLintFile is how many bytes of one file are read.
const maxLintFile = 64 << 20

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxLintFile+1))
	if err == nil && len(data) > maxLintFile {
		return nil, fmt.Errorf("it has more than the %d MiB that are read", maxLintFile>>20)
	}
	return data, err
}

// stdinName is how standard input is called in findings.
const stdinName = "standard input"
