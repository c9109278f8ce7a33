package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

// lintOptions are the flags of lint.
type lintOptions struct {
	format  choice
	failOn  string
	estate  string
	config  string
	only    []string
	out     string
	fix     bool
	yes     bool
	access  bool
	account string
}

func newLint(s *streams) *cobra.Command {
	o := lintOptions{format: choice{value: "text", of: []string{"text", "json", "sarif", "junit", "github"}}}
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
	f.VarP(&o.format, "output", "o", "how to print")
	f.StringVar(&o.failOn, "fail-on", "error", "exit with 3 from this `SEVERITY` on: info, warning, error, critical or never")
	f.StringVar(&o.estate, "estate", "", "ask this estate `FILE` too: who exists, what else they may")
	f.StringVar(&o.config, "config", "", "the configuration `FILE` (default: "+lint.ConfigName+" in this directory)")
	f.StringSliceVar(&o.only, "rule", nil, "look for this `RULE` only; again for more")
	f.StringVar(&o.out, "out", "", "write the answer to this `FILE`")
	f.BoolVar(&o.fix, "fix", false, "show what can be mended safely as a diff, and write it after a yes")
	f.BoolVar(&o.yes, "auto-approve", false, "with --fix: do not ask for a yes")
	f.BoolVar(&o.access, "access", false, "list who outside the account may do what with the keys, instead of findings")
	f.StringVar(&o.account, "account", "", "with --access: the `ACCOUNT` that the policies belong to, where they do not tell")
	c.MarkFlagsMutuallyExclusive("fix", "access")
	return c
}

// choice is a flag that is one of some words.
type choice struct {
	value string
	of    []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Set(s string) error {
	for _, v := range c.of {
		if s == v {
			c.value = s
			return nil
		}
	}
	return fmt.Errorf("it is one of %s", strings.Join(c.of, ", "))
}

func (c *choice) Type() string { return strings.Join(c.of, "|") }

func (o *lintOptions) run(ctx context.Context, s *streams, args []string) error {
	never := o.failOn == "never"
	var failOn finding.Severity
	if !never {
		if err := failOn.UnmarshalText([]byte(o.failOn)); err != nil {
			return misuse(fmt.Errorf("--fail-on: %w", err)).hinting("or never")
		}
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
		return o.reach(s, files, options.Estate)
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
	if never {
		failOn = finding.Critical + 1
	}
	if err := s.output(o.out, func(w io.Writer) error { return o.print(w, files, results, failOn) }); err != nil {
		return failure(err)
	}
	if worst, any := lint.Worst(results); any && worst >= failOn {
		return blocked()
	}
	return nil
}

func (o *lintOptions) options() (lint.Options, error) {
	options := lint.Options{Rules: rules.All()}
	if len(o.only) > 0 {
		options.Rules = nil
		for _, id := range o.only {
			r, ok := rules.Lookup(id)
			if !ok {
				return options, misuse(fmt.Errorf("there is no rule %q", id)).hinting("keyreach explain lists them")
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

// lintFiles reads what was named. What cannot be opened is a finding of its
// own, unless nothing can be: then it was named wrongly.
func lintFiles(s *streams, args []string) ([]lint.File, error) {
	var files []lint.File
	for _, name := range args {
		if name == "-" {
			data, err := readBounded(s.in)
			files = append(files, lint.File{Name: stdinName, Data: data, Err: err})
			continue
		}
		found, err := lint.Walk(name)
		if err != nil {
			return nil, misuse(err).hinting("look at the name; a directory stands for the files in it")
		}
		for _, path := range found {
			files = append(files, readFile(path))
		}
	}
	return files, nil
}

func readFile(path string) lint.File {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return lint.File{Name: path, Err: err}
	}
	defer f.Close()
	data, err := readBounded(f)
	return lint.File{Name: path, Data: data, Err: err}
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
