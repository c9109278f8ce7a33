package main

import (
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
	"github.com/keyreach/keyreach/route"
)

// initOptions are the flags of init.
type initOptions struct {
	format   format
	accounts []string
	parties  map[string]*[]string // values of the flag of each party
	keys     []string
	actors   []string
	name     string
	dir      string
	force    bool
	// ask is set when there is somebody to ask.
	ask bool
}

func newInit(s *streams) *cobra.Command {
	o := initOptions{format: textFormat, parties: map[string]*[]string{}, ask: onTerminal(s)}
	c := &cobra.Command{
		Use:   "init [KIND]",
		Short: "Write keyreach.yaml for a route of a kind",
		Long: `init writes a commented keyreach.yaml that declares one route. On a terminal it
asks for what the flags do not say; elsewhere what is missing is an error. Without
a KIND it lists the kinds.

A party is an account: --target recovery, --copies images@us-west-2 for another
Region, --consumers recovery=karpenter for the way of consuming. A party whose name
is that of an account need not be given.`,
		Example: `  keyreach init drs --account staging=444455556666@us-east-1 --account target=111122223333@us-east-1 \
    --key staging=alias/replication --actor target=RecoveryOperator
  keyreach init ami`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(fmt.Errorf("init takes one kind, and %d are given", len(args))).hinting("one file can declare several routes: write the others below the first")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), s, args)
		},
	}
	f := c.Flags()
	f.VarP(anyFormat(&o.format), "output", "o", "how to print")
	f.StringArrayVar(&o.accounts, "account", nil, "an account, as `NAME=ID@REGION`; may be given again")
	for _, p := range partyNames() {
		o.parties[p] = f.StringArray(p, nil, "the "+p+" party, as `ACCOUNT[@REGION][=CONSUMER]`, in routes of kind "+strings.Join(kindsWith(p), ", "))
	}
	f.StringArrayVar(&o.keys, "key", nil, "the key of a party, as `PARTY=ARN|alias/NAME`; given again for a party's next account")
	f.StringArrayVar(&o.actors, "actor", nil, "who acts for a party, as `PARTY=ROLE`, a name or ARN, or user/NAME; given again for a party's next account")
	f.StringVar(&o.name, "name", "", "the name of the `ROUTE` (default: the kind)")
	f.StringVar(&o.dir, "dir", ".", "the `DIR` to write to, made when it is not there")
	f.BoolVar(&o.force, "force", false, "write over a keyreach.yaml that is there")
	return c
}

// onTerminal reports whether questions can be asked and answered.
func onTerminal(s *streams) bool { return isTerminal(s.in) && isTerminal(s.err) }

// partyNames are the parties of all kinds.
func partyNames() []string {
	var names []string
	for _, k := range route.Kinds() {
		for _, p := range k.Declared() {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func kindsWith(party string) []string {
	var names []string
	for _, k := range route.Kinds() {
		if _, ok := k.Party(party); ok {
			names = append(names, k.Name)
		}
	}
	return names
}

func (o *initOptions) run(ctx context.Context, s *streams, args []string) error {
	kinds, err := kindsFor(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return o.list(s, kinds)
	}
	path := filepath.Join(o.dir, route.FileName)
	if _, err := os.Lstat(path); err == nil && !o.force {
		return misuse(fmt.Errorf("%s is there already", path)).hinting("add the route to it by hand, write elsewhere with --dir, or over it with --force")
	}
	kind := kinds[0]
	kind.Parties = kind.Declared()
	d, err := o.draft(&kind)
	if err != nil {
		return err
	}
	if o.ask {
		if err := d.fill(newAsker(ctx, s)); err != nil {
			return err
		}
	}
	if err := d.complete(); err != nil {
		return err
	}
	data := []byte(d.text())
	file, err := route.Load(path, data)
	if err != nil {
		return misuse(err).hinting("this is what the flags would have written; nothing was written")
	}
	if err := putFile(path, data, o.force); err != nil {
		return err
	}
	return o.done(s, file)
}

// list prints the kinds.
func (o *initOptions) list(s *streams, kinds []route.Kind) error {
	if len(o.accounts)+len(o.keys)+len(o.actors) > 0 || o.name != "" {
		return misuse(errors.New("init does not know of which kind the route is")).hinting("name one: keyreach init " + strings.Join(kindNamesOf(kinds), "|"))
	}
	if o.format != textFormat {
		if err := printRoutes(s.out, o.format, kinds, false); err != nil {
			return failure(err)
		}
		return nil
	}
	p := &printer{w: s.out}
	wide := 0
	for i := range kinds {
		wide = max(wide, len(kinds[i].Name))
	}
	for i := range kinds {
		p.line(0, wide+1, "%-*s %s", wide, kinds[i].Name, kinds[i].About)
	}
	p.blank()
	p.line(0, 0, "keyreach init KIND writes a file for one; keyreach routes KIND shows its steps.")
	if p.err != nil {
		return failure(p.err)
	}
	return nil
}

func kindNamesOf(kinds []route.Kind) []string {
	var names []string
	for i := range kinds {
		names = append(names, kinds[i].Name)
	}
	return names
}

// putFile writes the file whole or not at all, and over another only when forced.
func putFile(path string, data []byte, force bool) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // keyreach.yaml is for everybody who works here
		return failure(fmt.Errorf("making the directory: %w", err))
	}
	f, err := os.CreateTemp(dir, "."+route.FileName+"-")
	if err != nil {
		return failure(fmt.Errorf("writing %s: %w", path, err))
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone when it was put in place
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		if force {
			err = os.Rename(f.Name(), path)
		} else {
			err = os.Link(f.Name(), path) // unlike a rename it takes nobody's place
			if err != nil && !errors.Is(err, fs.ErrExist) {
				err = os.Rename(f.Name(), path) // not every file system has links
			}
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return misuse(fmt.Errorf("%s is there already", path)).hinting("somebody else wrote it meanwhile")
	}
	if err != nil {
		return failure(fmt.Errorf("writing %s: %w", path, err))
	}
	return nil
}

// initView is the JSON form of what init did.
type initView struct {
	FormatVersion int      `json:"format_version"`
	File          string   `json:"file"`
	Routes        []string `json:"routes"`
	Next          []string `json:"next"`
}

// done says what was written and what comes next.
func (o *initOptions) done(s *streams, file *route.File) error {
	dir := ""
	if o.dir != "." {
		dir = " " + o.dir
	}
	v := initView{FormatVersion: estate.FormatVersion, File: file.Path, Routes: []string{}, Next: []string{"keyreach collect" + dir, "keyreach check" + dir}}
	for i := range file.Routes {
		v.Routes = append(v.Routes, file.Routes[i].Name)
	}
	var err error
	if o.format == jsonFormat || o.format == yamlFormat {
		err = o.format.writeData(s.out, v)
	} else {
		_, err = io.WriteString(s.out, visible("Wrote "+file.Path+" with the route "+strings.Join(v.Routes, ", ")+".")+"\nNext: "+visible(v.Next[0])+" reads the accounts, then "+visible(v.Next[1])+" proves the route.\n")
	}
	if err != nil {
		return failure(err)
	}
	return nil
}
