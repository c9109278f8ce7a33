package input

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// module is one of Ansible's modules that carries policies.
type module struct {
	name  string // with its collection
	slots []slot
}

// moduleNamed finds a module by the name that a task has for it: with or
// without the collection, and by the names it had before.
// See https://docs.ansible.com/ansible/latest/collections/amazon/aws/index.html.
func moduleNamed(name string) (module, bool) {
	short := name[strings.LastIndexByte(name, '.')+1:]
	if prefix := name[:len(name)-len(short)]; prefix != "" && prefix != "amazon.aws." && prefix != "community.aws." {
		return module{}, false
	}
	switch short {
	case "kms_key", "aws_kms":
		return module{"amazon.aws.kms_key", []slot{{"policy", rules.KeyPolicy}}}, true
	case "iam_policy":
		return module{"amazon.aws.iam_policy", []slot{{"policy_json", rules.IdentityPolicy}, {"policy", rules.IdentityPolicy}}}, true
	case "iam_managed_policy":
		return module{"amazon.aws.iam_managed_policy", []slot{{"policy", rules.IdentityPolicy}}}, true
	case "iam_role":
		return module{"amazon.aws.iam_role", []slot{{"assume_role_policy_document", rules.TrustPolicy}}}, true
	case "s3_bucket":
		return module{"amazon.aws.s3_bucket", []slot{{"policy", rules.BucketPolicy}}}, true
	case "sns_topic":
		return module{"community.aws.sns_topic", []slot{{"policy", rules.ResourcePolicy}}}, true
	case "sqs_queue":
		return module{"community.aws.sqs_queue", []slot{{"policy", rules.ResourcePolicy}}}, true
	case "secretsmanager_secret", "aws_secret":
		return module{"community.aws.secretsmanager_secret", []slot{{"resource_policy", rules.ResourcePolicy}}}, true
	case "ec2_vpc_endpoint":
		return module{"amazon.aws.ec2_vpc_endpoint", []slot{{"policy", rules.EndpointPolicy}}}, true
	}
	return module{}, false
}

// taskWords are members that only tasks and plays of Ansible have.
var taskWords = map[string]bool{
	"hosts": true, "tasks": true, "block": true, "register": true, "become": true, "gather_facts": true, "import_tasks": true, "include_tasks": true,
	"loop": true, "with_items": true, "delegate_to": true, "changed_when": true, "set_fact": true, "handlers": true, "pre_tasks": true,
	"ansible.builtin.set_fact": true, "ansible.builtin.include_tasks": true, "ansible.builtin.import_tasks": true,
}

// ansible reads a playbook, a list of tasks, or a single task.
func (r *reader) ansible(n *source.Node) bool {
	switch {
	case isTask(n):
		r.is(AnsibleTasks)
		r.task(n)
		return true
	case n.Kind != source.List:
		return false
	}
	for i := range n.Items {
		if isTask(&n.Items[i]) {
			r.is(AnsibleTasks)
			r.tasks(n)
			return true
		}
	}
	return false
}

func isTask(n *source.Node) bool {
	if n.Kind != source.Map {
		return false
	}
	for i := range n.Fields {
		name := n.Fields[i].Name
		m, ok := moduleNamed(name)
		if ok && (n.Fields[i].Value.Kind == source.Map || n.Fields[i].Value.Kind == source.String) && (strings.Contains(name, ".") || n.Field("name") != nil || m.name == "amazon.aws.kms_key") {
			return true
		}
		if taskWords[name] && (n.Field("name") != nil || name == "hosts") {
			return true
		}
	}
	return false
}

func (r *reader) tasks(n *source.Node) {
	for i := range n.Items {
		if n.Items[i].Kind == source.Map {
			r.task(&n.Items[i])
		}
	}
}

// task reads one task, or what stands in a play or a block.
func (r *reader) task(n *source.Node) {
	for _, f := range n.Distinct() {
		switch f.Name {
		case "tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always":
			r.tasks(&f.Value)
			continue
		}
		if m, ok := moduleNamed(f.Name); ok {
			r.module(m, n, &f)
			continue
		}
		r.walk(&f.Value, "", f.Name, n)
	}
}

// module reads the arguments of a module.
func (r *reader) module(m module, task *source.Node, f *source.Field) {
	args := &f.Value
	if args.Kind != source.Map {
		if args = task.Field("args"); args == nil || args.Kind != source.Map {
			return
		}
	}
	body := unfilled(args)
	name := known(&body, "alias", "name", "iam_name", "policy_name", "role_name")
	if name == "" {
		name = text(task, "name")
	}
	d := &declared{r: r, body: &body, done: map[*source.Node]bool{}, named: true, region: known(&body, "region", "aws_region", "ec2_region")}
	d.resource = r.resource("ansible", m.name, name, &body, task, f.Pos)
	if text(&body, "state") == "absent" {
		return
	}
	switch m.name {
	case "amazon.aws.iam_policy":
		d.role = known(&body, "iam_name")
	case "amazon.aws.iam_role":
		d.role = known(&body, "name")
	}
	for _, s := range m.slots {
		d.slot(s)
	}
	if m.name == "amazon.aws.kms_key" {
		d.key()
		r.keyGrants(&body)
	}
	d.rest(&body, "", nil)
}

// keyGrants reads the grants that a task gives a key.
func (r *reader) keyGrants(body *source.Node) {
	grants := body.Field("grants")
	if grants == nil {
		return
	}
	for i := range grants.Items {
		if n := &grants.Items[i]; n.Kind == source.Map {
			g := r.grant(n, ansibleGrant)
			g.Key = text(body, "key_id", "alias")
		}
	}
}

var ansibleGrant = &grantMembers{
	name: "name", operations: "operations", constraints: "constraints", grantee: []string{"grantee_principal"}, retiring: []string{"retiring_principal"},
}

// unfilled returns a tree in which a text that is one expression of Jinja is a
// value that is not known.
func unfilled(n *source.Node) source.Node {
	c := clone(n, nil)
	var mark func(n *source.Node)
	mark = func(n *source.Node) {
		t := strings.TrimSpace(n.Text)
		if n.Kind == source.String && strings.HasPrefix(t, "{{") && strings.HasSuffix(t, "}}") && strings.Count(t, "{{") == 1 {
			n.Kind = source.Intrinsic
		}
		for i := range n.Items {
			mark(&n.Items[i])
		}
		for i := range n.Fields {
			mark(&n.Fields[i].Value)
		}
	}
	mark(&c)
	return c
}
