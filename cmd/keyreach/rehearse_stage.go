package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
	"github.com/keyreach/keyreach/sandbox/drs"
)

// stage is what a route needs to be performed and an estate does not hold: the data.
type stage struct {
	from string
	args map[string]string
}

// The names of what a rehearsal puts on its stage.
const (
	stagedName   = "rehearsal"
	stagedRole   = "KeyreachRehearsalBackup"
	stagedVolume = "vol-0123456789abcdef0"
	stagedDisk   = "snap-0123456789abcdef0"
	stagedImage  = "ami-0123456789abcdef0"
)

// allButKeys is what actors may do beside what the estate says of keys: an estate need
// not say who may call which service.
const allButKeys = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}]}`

// twin is the estate with what a performance needs: that the actors are there and may
// call the services, and data.
func (h *rehearsal) twin() (*estate.Estate, error) {
	t := *h.estate
	t.Principals = slices.Clone(t.Principals)
	t.Resources = slices.Clone(t.Resources)
	t.Accounts = slices.Clone(t.Accounts)
	h.writers = map[string]string{}
	for i := range h.routes {
		r := h.routes[i].On(h.estate)
		for _, parties := range r.Parties {
			for j := range parties {
				h.employ(&t, &parties[j])
			}
		}
		h.stages[r.Name] = h.stage(&t, &r)
	}
	for i := range t.Principals {
		// An estate need not hold all of AWS's own policy for a service's role.
		if p, err := arn.ParsePrincipal(t.Principals[i].ARN); err == nil && p.IsServiceLinked() {
			serve(&t.Principals[i])
		}
	}
	if err := t.Index(); err != nil {
		return nil, fmt.Errorf("making the twin: %w", err)
	}
	return &t, nil
}

// employ makes an actor that is not there, and lets it call the services.
func (h *rehearsal) employ(t *estate.Estate, p *route.Party) {
	h.writer(p)
	actor, err := arn.ParsePrincipal(p.Actor.Principal)
	if err != nil || actor.IsServiceLinked() || actor.Kind != arn.Role && actor.Kind != arn.User {
		return
	}
	i := slices.IndexFunc(t.Principals, func(q estate.Principal) bool { return q.ARN == actor.Text })
	if i < 0 {
		t.Principals = append(t.Principals, estate.Principal{ARN: actor.Text})
		i = len(t.Principals) - 1
	}
	q := &t.Principals[i]
	serve(q)
	if actor.Kind == arn.Role && q.Trust == nil {
		q.Trust = documentFrom(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + actor.Account + `","Service":["backup.amazonaws.com","s3.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)
	}
}

// serve lets a principal call the services.
func serve(p *estate.Principal) {
	const name = "RehearsalServices"
	if !slices.ContainsFunc(p.Policies, func(a estate.Attached) bool { return a.Name == name }) {
		p.Policies = append(slices.Clone(p.Policies), estate.Attached{Name: name, Kind: "inline", Document: documentFrom(allButKeys)})
	}
}

func documentFrom(text string) *estate.Document {
	d, _, err := policy.Read("rehearsal", []byte(text))
	if err != nil {
		panic(err) // the texts are here
	}
	return estate.NewDocument(d)
}

// writer chooses who writes in the account of a party: the role of access when the estate
// holds it, else the root user, else somebody who may change the key's policy.
func (h *rehearsal) writer(p *route.Party) {
	for _, a := range h.file.Accounts {
		if a.ID == p.Account && a.Access.RoleARN != "" && h.estate.Principal(a.Access.RoleARN) != nil {
			h.writers[p.Account] = a.Access.RoleARN
		}
	}
	key, err := arn.Parse(p.Key)
	if err != nil || h.writers[key.Account] != "" || h.estate.Key(p.Key) == nil || h.mayPut("arn:"+key.Partition+":iam::"+key.Account+":root", p.Key) {
		return
	}
	for i := range h.estate.Principals {
		q, err := arn.ParsePrincipal(h.estate.Principals[i].ARN)
		if err == nil && q.Account == key.Account && !q.IsServiceLinked() && h.mayPut(q.Text, p.Key) {
			h.writers[key.Account] = q.Text
			return
		}
	}
}

func (h *rehearsal) mayPut(principal, key string) bool {
	r, err := estate.NewRequest(principal, "kms:PutKeyPolicy", key)
	if err != nil {
		return false
	}
	r.At = time.Now()
	c := h.estate.Bind(r)
	return access.Decide(&c) == access.Allow
}

// has finds a resource of a type in an account and Region.
func has(t *estate.Estate, typ, account, region string) *estate.Resource {
	for i := range t.Resources {
		if r := &t.Resources[i]; r.Type == typ && r.Account == account && (r.Region == region || r.Region == "") {
			return r
		}
	}
	return nil
}

func put(t *estate.Estate, r estate.Resource) string {
	if !slices.ContainsFunc(t.Resources, func(o estate.Resource) bool { return o.Type == r.Type && o.ID == r.ID && o.Account == r.Account }) {
		t.Resources = append(t.Resources, r)
	}
	return r.ID
}

// stage puts the data of a route into the twin.
func (h *rehearsal) stage(t *estate.Estate, r *route.Route) *stage {
	st := &stage{args: map[string]string{}}
	first := func(name string) *route.Party {
		if ps := r.Parties[name]; len(ps) > 0 {
			return &ps[0]
		}
		return nil
	}
	switch r.Kind.Name {
	case "rds", "aurora":
		typ := map[string]string{"rds": "rds:DBInstance", "aurora": "rds:DBCluster"}[r.Kind.Name]
		p := first("source")
		if old := has(t, typ, p.Account, p.Region); old != nil {
			st.from = old.ID
			break
		}
		st.from = put(t, estate.Resource{Type: typ, ID: stagedName, Account: p.Account, Region: p.Region, Key: managedKey(p, "rds")})
	case "ebs":
		p := first("owner")
		st.from = put(t, estate.Resource{Type: "ec2:Volume", ID: stagedVolume, Account: p.Account, Region: p.Region, Key: p.Key})
	case "ami":
		p := first("owner")
		put(t, estate.Resource{Type: "ec2:Snapshot", ID: stagedDisk, Account: p.Account, Region: p.Region, Key: p.Key})
		st.from = put(t, estate.Resource{Type: "ec2:Image", ID: stagedImage, Account: p.Account, Region: p.Region, Key: p.Key, Attributes: map[string]string{"snapshots": stagedDisk}})
	case "vault":
		h.stageVault(t, st, first("source"), first("vault"))
	case "drs":
		h.stageTemplate(t, first("staging"))
		if p := first("target"); p != nil {
			h.stageTemplate(t, p)
		}
	case "backup":
		h.stageBucket(t, st, r, first("vault"))
	case "secret":
		p := first("owner")
		st.from = put(t, estate.Resource{Type: "secretsmanager:Secret", ID: stagedName, Account: p.Account, Region: p.Region, Key: p.Key, Attributes: map[string]string{"policy": readersPolicy(r.Parties["readers"])}})
	}
	return st
}

func managedKey(p *route.Party, service string) string {
	return "arn:" + awsfacts.PartitionName(p.Region) + ":kms:" + p.Region + ":" + p.Account + ":alias/aws/" + service
}

// stageVault puts a volume, a vault for its recovery points and the role of AWS Backup
// into the account of the volumes.
func (h *rehearsal) stageVault(t *estate.Estate, st *stage, source, vault *route.Party) {
	partition := awsfacts.PartitionName(source.Region)
	volume := put(t, estate.Resource{Type: "ec2:Volume", ID: stagedVolume, Account: source.Account, Region: source.Region, Key: source.Key})
	st.from = "arn:" + partition + ":ec2:" + source.Region + ":" + source.Account + ":volume/" + volume
	st.args["sourceVault"] = put(t, estate.Resource{Type: "backup:BackupVault", ID: stagedName, Account: source.Account, Region: source.Region, Key: source.Key})
	if has(t, "backup:BackupVault", vault.Account, vault.Region) == nil {
		put(t, estate.Resource{Type: "backup:BackupVault", ID: "vault", Account: vault.Account, Region: vault.Region, Key: vault.Key})
	}
	if o := t.Organization; o != nil && source.Account != vault.Account {
		put(t, estate.Resource{Type: "backup:GlobalSettings", ID: o.ID, Account: source.Account, Attributes: map[string]string{"isCrossAccountBackupEnabled": "true"}})
	}
	role := "arn:" + partition + ":iam::" + source.Account + ":role/" + stagedRole
	st.args["iamRoleArn"] = role
	if slices.ContainsFunc(t.Principals, func(p estate.Principal) bool { return p.ARN == role }) {
		return
	}
	const name = "AWSBackupServiceRolePolicyForBackup"
	p := estate.Principal{ARN: role, Trust: documentFrom(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}
	if known, ok := awsfacts.ManagedPolicies()[name]; ok {
		p.Policies = []estate.Attached{{Name: name, Kind: "managed", ARN: "arn:" + partition + ":iam::aws:policy/service-role/" + name, Document: documentFrom(string(known.Document))}}
	}
	t.Principals = append(t.Principals, p)
}

// stageTemplate has Elastic Disaster Recovery initialized in an account.
func (h *rehearsal) stageTemplate(t *estate.Estate, p *route.Party) {
	const typ = "drs:ReplicationConfigurationTemplate"
	if has(t, typ, p.Account, p.Region) != nil {
		return
	}
	r := estate.Resource{Type: typ, ID: "rct-0123456789abcdef0", Account: p.Account, Region: p.Region, Key: p.Key, Attributes: map[string]string{"ebsEncryption": "CUSTOM"}}
	if p.Key == "" {
		r.Attributes["ebsEncryption"] = "DEFAULT"
	}
	put(t, r)
}

// stageBucket puts the bucket of a route into the twin, and lets the actors of other
// accounts in where nothing says whom it lets in: the estate says who may use the key.
func (h *rehearsal) stageBucket(t *estate.Estate, st *stage, r *route.Route, vault *route.Party) {
	at := slices.IndexFunc(t.Resources, func(b estate.Resource) bool { return b.Type == "s3:Bucket" && b.Account == vault.Account })
	if at < 0 {
		t.Resources = append(t.Resources, estate.Resource{Type: "s3:Bucket", ID: stagedName + "-" + vault.Account, Account: vault.Account, Region: vault.Region, Key: vault.Key})
		at = len(t.Resources) - 1
	}
	b := &t.Resources[at]
	st.args["bucket"] = b.ID
	if b.Attributes[estate.BucketPolicy] != "" {
		return
	}
	attributes := map[string]string{}
	for k, v := range b.Attributes {
		attributes[k] = v
	}
	attributes[estate.BucketPolicy] = bucketFor(b.ID, slices.Concat(r.Parties["hosts"], r.Parties["restorers"]))
	b.Attributes = attributes
}

func bucketFor(bucket string, parties []route.Party) string {
	return allowAll(parties, []string{"s3:GetObject", "s3:PutObject", "s3:ListBucket"}, []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"})
}

func readersPolicy(parties []route.Party) string {
	return allowAll(parties, []string{"secretsmanager:GetSecretValue"}, []string{"*"})
}

func allowAll(parties []route.Party, actions, resources []string) string {
	var names []string
	for _, p := range parties {
		names = append(names, p.Actor.Principal)
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": names}, "Action": actions, "Resource": resources,
	}}})
	if err != nil {
		panic(err) // it is texts
	}
	return string(text)
}

// work is the work of a route on the twin.
func (h *rehearsal) work(r *route.Route) (run.Work, error) {
	st := h.stages[r.Name]
	w := run.Work{From: st.from, Args: st.args, Drill: true, At: h.box.Now(), Name: run.NewName(h.box.Now()), Tags: map[string]string{"keyreach:route": r.Name}}
	if r.Kind.Name != "drs" {
		return w, nil
	}
	p := r.Parties["staging"][0]
	server, err := h.box.AddSourceServer(drs.Agent{Account: p.Account, Region: p.Region, Hostname: stagedName, Disks: []drs.AgentDisk{{Device: "/dev/sda1", Bytes: 1 << 30}}})
	if err != nil {
		return w, fmt.Errorf("making a source server: %w", err)
	}
	w.From = strings.TrimSpace(*server.SourceServerID)
	return w, nil
}
