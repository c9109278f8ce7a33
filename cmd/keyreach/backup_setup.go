package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// ansibleFormat is the form of the values that an Ansible role takes.
const ansibleFormat format = "ansible"

// setupOptions are the flags of backup setup: some of those of plan.
type setupOptions struct {
	planOptions
}

func newBackupSetup(s *streams) *cobra.Command {
	o := setupOptions{planOptions: planOptions{format: textFormat}}
	c := &cobra.Command{
		Use:   "setup [DIR]",
		Short: "Plan the bucket, keys and rights that the declared backups need",
		Long: `setup plans what the routes of keyreach.yaml with a backup part need: the bucket
with versions, encryption, a public access block and a lifecycle, keys that are named
by alias, and the least rights of hosts, restorers and admins. It is an ordinary plan:
nothing is written before keyreach apply. With -o ansible it prints the values for
group_vars/all/vault.yml, none of which is secret.

Exit codes: 0 planned, or nothing to do · 3 something stays blocked · 4 usage or
configuration · 7 refused by a guard.`,
		Example: "  keyreach backup setup --out plan.json . && keyreach apply plan.json\n  keyreach backup setup -o ansible .",
		Args:    atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), s, append(args, ".")[0])
		},
	}
	f := c.Flags()
	f.StringVar(&o.estate, "estate", "", "the estate `FILE` (default: estate.json beside keyreach.yaml)")
	o.add(f)
	f.BoolVar(&o.live, "live", false, "plan on what AWS has now, in place of a file")
	f.StringVar(&o.out, "out", "", "save the plan to a `FILE`, for keyreach apply")
	f.StringArrayVar(&o.routes, "route", nil, "plan for this `ROUTE` only; may be given again")
	f.VarP(oneOf(&o.format, textFormat, jsonFormat, ansibleFormat), "output", "o", "how to print; json is the plan file itself")
	return c
}

func (o *setupOptions) run(ctx context.Context, s *streams, path string) error {
	in, err := o.load(ctx, s, path)
	if err != nil {
		return err
	}
	if err := o.withBackups(in.file); err != nil {
		return err
	}
	shown, err := o.report(in)
	if err != nil {
		return err
	}
	if err := o.print(s.out, shown, in); err != nil {
		return err
	}
	return o.outcome(shown)
}

// withBackups keeps to the routes with a backup part.
func (o *setupOptions) withBackups(file *route.File) error {
	var names []string
	for i := range file.Routes {
		if file.Routes[i].Backup != nil {
			names = append(names, file.Routes[i].Name)
		}
	}
	if len(names) == 0 {
		return misuse(fmt.Errorf("no route of %s has a backup part", file.Path)).hinting("add backup: with store and source to a route of kind backup; keyreach init backup shows one")
	}
	for _, name := range o.routes {
		if !slices.Contains(names, name) && slices.ContainsFunc(file.Routes, func(r route.Route) bool { return r.Name == name }) {
			return misuse(fmt.Errorf("--route: %s has no backup part", name)).hinting("there is " + strings.Join(names, ", "))
		}
	}
	if len(o.routes) == 0 {
		o.routes = names
	}
	return nil
}

func (o *setupOptions) print(w io.Writer, shown *planReport, in *planInput) error {
	if o.format == ansibleFormat {
		text, err := ansibleValues(in.routes, in.estate, len(shown.plan.Steps))
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, text)
		return asFailure(err)
	}
	if err := shown.print(w, o.format); err != nil || o.format != textFormat {
		return asFailure(err)
	}
	p := &printer{w: w}
	for i := range in.routes {
		for _, text := range in.routes[i].Warnings() {
			p.blank()
			p.line(0, 2, "%s", text)
		}
	}
	return asFailure(p.err)
}

// asFailure is an error of writing the answer, or nil.
func asFailure(err error) error {
	if err == nil {
		return nil
	}
	return failure(err)
}

// ansibleValues are the values of the backups for group_vars/all/vault.yml.
func ansibleValues(routes []route.Route, e *estate.Estate, changes int) (string, error) {
	main, err := mainBackup(routes)
	if err != nil {
		return "", err
	}
	on := main.On(e)
	y := &yamlFile{}
	y.comment(0, "AWS KMS configuration of the route "+visible(on.Name)+", for group_vars/all/vault.yml. Nothing of it is secret.")
	if changes > 0 {
		y.comment(0, fmt.Sprintf("Not all of it is there yet: keyreach backup setup --out plan.json plans %d changes, and keyreach apply plan.json makes them.", changes))
	}
	encryptionValues(y, main, e)
	storeValues(y, &on)
	retentionValues(y, "step_ca_backup_retention_days", &on)
	for i := range routes {
		if r := &routes[i]; r.Backup.Source.Kind == "etcd" {
			retentionValues(y, "etcd_backup_retention_days", r)
			break
		}
	}
	return y.String(), nil
}

// mainBackup is the route whose values are printed: that of the CA, or the only one.
func mainBackup(routes []route.Route) (*route.Route, error) {
	var found []*route.Route
	for i := range routes {
		if len(routes) == 1 || routes[i].Backup.Source.Kind == "step-ca" {
			found = append(found, &routes[i])
		}
	}
	if len(found) != 1 {
		return nil, misuse(errors.New("-o ansible prints the values of one CA, and it is not clear which route is meant")).hinting("name it with --route")
	}
	return found[0], nil
}

func encryptionValues(y *yamlFile, r *route.Route, e *estate.Estate) {
	if r.Backup.PassphraseFile != "" {
		y.line(0, "step_ca_backup_encryption_method: %q", "symmetric")
		y.comment(0, "The passphrase is read from a file on the hosts and stands in no variable.")
		return
	}
	vault := r.Parties["vault"][0]
	y.line(0, "step_ca_backup_encryption_method: %q", "aws-kms")
	if key := r.On(e).Parties["vault"][0].Key; e.Key(key) != nil || vault.Alias == "" {
		vault.Key = key
	} else {
		y.comment(0, "The key is not made yet: this is the ARN of its alias. Print this again afterwards.")
	}
	y.line(0, "step_ca_backup_kms_key_id: %q", vault.KeyID())
	if hosts := r.Parties["hosts"]; len(hosts) > 0 {
		y.comment(0, "Who writes the backups; the key's policy lets it in")
		y.line(0, "step_ca_backup_kms_principal: %q", hosts[0].Actor.Principal)
	}
}

func storeValues(y *yamlFile, r *route.Route) {
	bucket, prefix, ok := r.Backup.Bucket()
	y.line(0, "step_ca_backup_s3_enabled: %t", ok)
	if ok {
		y.line(0, "step_ca_backup_s3_bucket: %q", bucket)
		y.line(0, "step_ca_backup_s3_prefix: %q", prefix)
	}
}

func retentionValues(y *yamlFile, name string, r *route.Route) {
	switch days := r.Backup.Retention.Days; {
	case days > 0:
		y.line(0, "%s: %d", name, days)
	default:
		y.comment(0, name+" is left out: keyreach backup prune keeps what the route "+visible(r.Name)+" says")
	}
}
