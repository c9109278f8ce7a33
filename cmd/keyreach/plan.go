package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/atomicfile"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// planOptions are the flags of plan.
type planOptions struct {
	liveFlags
	live             bool
	estate           string
	format           format
	out              string
	detailedExitcode bool
	routes           []string
	accounts         []string
	org              string
	make             plan.Options
}

// ownOrganization is --org without a value: the organization of the estate.
const ownOrganization = "the estate's"

func newPlan(s *streams) *cobra.Command {
	o := planOptions{format: textFormat}
	c := &cobra.Command{
		Use:   "plan [DIR|FILE]",
		Short: "Plan the least changes that open the declared routes",
		Long: `plan finds the least changes that open the routes which keyreach.yaml declares, on
the estate beside it. The plan is proven on a copy before it is shown: nobody is
locked out, and nothing opens beyond what the routes need. Nothing is written to
AWS. What no change of yours can open comes with who has to do what, and with the
message to send to them.

Exit codes: 0 planned, or nothing to do · 2 changes, with --detailed-exitcode ·
3 something stays blocked · 4 usage or configuration · 7 refused by a guard.`,
		Example: "  keyreach plan --out plan.json examples/drs-cross-account\n  keyreach plan --tight --account staging .\n  keyreach plan show plan.json -o markdown",
		Args:    o.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	o.flags(c)
	c.AddCommand(newPlanShow(s))
	return c
}

func (o *planOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` (default: estate.json beside keyreach.yaml)")
	o.add(f)
	f.BoolVar(&o.live, "live", false, "plan on what AWS has now, in place of a file")
	f.VarP(anyFormat(&o.format), "output", "o", "how to print; json and yaml are the plan file itself")
	f.StringVar(&o.out, "out", "", "save the plan to a `FILE`, for keyreach apply")
	f.StringArrayVar(&o.routes, "route", nil, "plan for this `ROUTE` only; may be given again")
	f.StringArrayVar(&o.accounts, "account", nil, "show and save only the part of this account, by `NAME|ID`; may be given again")
	f.BoolVar(&o.make.Tight, "tight", false, "leave out what AWS's documentation asks for and AWS was recorded to work without")
	f.StringVar(&o.org, "org", "", "let the members of an organization in, in place of principals by name: --org for the estate's, or --org=`ID|PATH`")
	f.Lookup("org").NoOptDefVal = ownOrganization
	f.BoolVar(&o.make.EnableKeys, "enable-keys", false, "enable keys that are disabled or pending deletion")
	f.BoolVar(&o.make.Partial, "partial", false, "open what can be opened of a route that stays blocked")
	f.BoolVar(&o.make.EBSDefault, "ebs-default", false, "make the keys of the routes' consumers the default keys of their accounts")
	f.BoolVar(&o.make.Owned, "owned", false, "write key policies also of keys that CloudFormation or Terraform keeps, as tags tell; their next run may take it back")
	f.StringArrayVar(&o.make.Buckets, "bucket", nil, "set up the bucket `NAME` for the routes of kind backup; may be given again")
	f.StringArrayVar(&o.make.Share, "share", nil, "share the snapshot or image `ID` with the routes' accounts; may be given again")
	f.StringVar(&o.make.Change, "change", "", "the `ID` of the change, a ticket, for names and tags of what is made")
	f.BoolVar(&o.detailedExitcode, "detailed-exitcode", false, "exit 2 when there are changes")
}

// organizationText is an organization's id, perhaps with a path behind it. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-view-data-orgs.html.
var organizationText = regexp.MustCompile(`^o-[a-z0-9]+(/.*)?$`)

// changeText is what both the tags and the names of grants can hold.
var changeText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 +=._:/@-]{0,127}$`)

// arguments refuses what can be seen to be wrong before anything is read.
func (o *planOptions) arguments(c *cobra.Command, args []string) error {
	for _, a := range args {
		if o.org == ownOrganization && organizationText.MatchString(a) {
			return misuse(fmt.Errorf("%s is taken for a directory", a)).hinting("write --org=" + a)
		}
	}
	if err := atMostOne(c, args); err != nil {
		return err
	}
	if o.make.Change != "" && !changeText.MatchString(o.make.Change) {
		return misuse(fmt.Errorf("--change %q cannot be part of a tag", o.make.Change)).hinting("it has letters, digits, spaces and + - = . _ : / @, at most 128 of them")
	}
	return nil
}

func (o *planOptions) run(ctx context.Context, s *streams, path string) error {
	in, err := o.load(ctx, s, path)
	if err != nil {
		return err
	}
	shown, err := o.report(in)
	if err != nil {
		return err
	}
	if err := shown.print(s.out, o.format); err != nil {
		return failure(err)
	}
	return o.outcome(shown)
}

// report makes the plan, and saves it when that was asked.
func (o *planOptions) report(in *planInput) (*planReport, error) {
	if err := o.choose(in); err != nil {
		return nil, err
	}
	made, err := plan.Make(in.routes, in.estate, o.make)
	if err != nil {
		return nil, refused(err)
	}
	shown := &planReport{plan: made, names: namesOf(in.file), estateAt: in.estateAt, partial: o.make.Partial, out: o.out}
	if shown.only, err = accountsOf(o.accounts, made, in.file); err != nil {
		return nil, err
	}
	if o.out != "" {
		if err := savePlan(o.out, shown.part()); err != nil {
			return nil, failure(err)
		}
	}
	return shown, nil
}

// outcome is the exit code of a plan that was shown.
func (o *planOptions) outcome(shown *planReport) error {
	switch {
	case len(shown.plan.Stuck) > 0:
		return blocked()
	case o.detailedExitcode && !shown.part().Empty():
		return &exitError{code: exitChanges}
	}
	return nil
}

// planInput is what a plan is made of.
type planInput struct {
	file     *route.File
	estate   *estate.Estate
	estateAt string // where the estate is from, for messages
	routes   []route.Route
}

// load reads the routes and the estate, which with --live is what AWS has now.
func (o *planOptions) load(ctx context.Context, s *streams, path string) (*planInput, error) {
	return o.world(ctx, s, path, o.estate, o.live)
}

// choose settles for what the plan is made.
func (o *planOptions) choose(in *planInput) error {
	r := report{file: in.file}
	if err := r.choose(o.routes); err != nil {
		return err
	}
	kinds := map[string]bool{}
	for _, i := range r.chosen {
		in.routes = append(in.routes, in.file.Routes[i])
		kinds[in.file.Routes[i].Kind.Name] = true
	}
	if len(o.make.Buckets) > 0 && !kinds["backup"] {
		return misuse(errors.New("--bucket is for routes of kind backup, and none of these is one")).hinting("leave it out, or declare such a route")
	}
	o.make.At = time.Now().UTC().Truncate(time.Second)
	o.make.Writers = map[string]string{}
	for _, a := range in.file.Accounts {
		if a.Access.RoleARN != "" {
			o.make.Writers[a.ID] = a.Access.RoleARN
		}
	}
	return o.organization(in.estate)
}

// organization settles whose members are let in. What the estate does not know to be
// members would be let in by name, which nobody asked for.
func (o *planOptions) organization(e *estate.Estate) error {
	switch {
	case o.org == "":
		return nil
	case e.Organization == nil || e.Organization.ID == "":
		return misuse(errors.New("--org: the estate has no organization")).hinting("collect one that has, or leave --org out")
	case o.org == ownOrganization:
		o.make.Org = e.Organization.ID
		return nil
	case !organizationText.MatchString(o.org):
		return misuse(fmt.Errorf("--org %q is no organization", o.org)).hinting("it looks like " + e.Organization.ID + ", or " + e.Organization.ID + "/r-…/ou-…/")
	}
	if id, _, _ := strings.Cut(o.org, "/"); id != e.Organization.ID {
		return misuse(fmt.Errorf("--org: the organization of the estate is %s, not %s", e.Organization.ID, id)).hinting("give --org without a value for the estate's own")
	}
	o.make.Org = o.org
	return nil
}

// refused is why no plan was made.
func refused(err error) error {
	var guard *plan.RefusedError
	if errors.As(err, &guard) {
		return (&exitError{code: exitGuarded, err: guard}).hinting(guardHint(guard.Guard) + "\nnothing was written")
	}
	var missing *route.MissingError
	if errors.As(err, &missing) {
		return misuse(err)
	}
	return failure(err)
}

func guardHint(g plan.Guard) string {
	switch g {
	case plan.LockoutGuard:
		return "have the owner of the key let its account, or two roles, administer it, and plan again"
	case plan.WideningGuard:
		return "what is named opens to somebody whom no route names: have its owner narrow it first, or plan for fewer routes (--route) or with --tight"
	case plan.RequestGuard:
		return "see that the text is genuine; then declare a route in keyreach.yaml and plan that, collect the account of who was refused (keyreach collect), or have who administers the key change it by hand"
	case plan.LengthGuard:
		return "take statements out that nobody needs, let members in by --org, or plan with --tight"
	}
	return "the estate may not hold all that decides: collect it again, and plan again"
}

// namesOf are the names that the file gives accounts, by number.
func namesOf(f *route.File) map[string]string {
	names := map[string]string{}
	for name, a := range f.Accounts {
		if old, ok := names[a.ID]; !ok || name < old {
			names[a.ID] = name
		}
	}
	return names
}

// accountsOf are the numbers of the accounts that were named by name or number. One in
// which the plan writes nothing may be named too, when the file has it.
func accountsOf(named []string, p *plan.Plan, f *route.File) ([]string, error) {
	var ids, known []string
	if f != nil {
		for name, a := range f.Accounts {
			known = append(known, name)
			if slices.Contains(named, name) || slices.Contains(named, a.ID) {
				ids = append(ids, a.ID)
			}
		}
	}
	if slices.Sort(known); f == nil {
		known = p.Accounts()
	}
	for _, n := range named {
		switch {
		case slices.Contains(p.Accounts(), n):
			ids = append(ids, n)
		case f != nil && f.Accounts[n].ID != "":
		case !slices.Contains(ids, n):
			return nil, misuse(fmt.Errorf("--account: there is no account %q", n)).hinting("there is " + strings.Join(known, ", "))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// savePlan writes the plan file whole or not at all. What it says about the accounts is
// for its owner's eyes.
func savePlan(path string, p *plan.Plan) error {
	data, err := p.AppendJSON(nil)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, data, 0o600); err != nil {
		return fmt.Errorf("saving the plan: %w", err)
	}
	return nil
}

// print prints the plan. As JSON and YAML it is the file that keyreach apply takes.
func (r *planReport) print(w io.Writer, f format) error {
	switch f {
	case textFormat:
		return r.text(w)
	case markdownFormat:
		return r.markdown(w)
	}
	data, err := r.part().AppendJSON(nil)
	if err != nil {
		return err
	}
	return f.writeRaw(w, data)
}
