package plan_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/plan"
)

func TestAKeyThatAProgramKeepsGetsAPatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, example string
		tags          map[string]string
		keeper        string // nothing for none
		patch         []string
	}{
		{"a stack's", "drs-cross-account", map[string]string{"aws:cloudformation:stack-name": "keys"}, "the CloudFormation stack keys", []string{"DRSStagingAccountRole_111122223333", `"kms:ReEncryptFrom"`, "AWSServiceRoleForElasticDisasterRecovery"}},
		{"Terraform's, as people write it", "drs-cross-account", map[string]string{"managed-by": "Terraform"}, "Terraform (tag managed-by)", []string{"kms:ReEncryptTo"}},
		{"the right to make a grant goes there too", "auto-scaling", map[string]string{"Terraform": "true"}, "Terraform (tag Terraform)", []string{"kms:GranteePrincipal", "AWSServiceRoleForAutoScaling"}},
		{"what people tag otherwise", "drs-cross-account", map[string]string{"Terraform": "false", "Owner": "terraform team"}, "", nil},
		{"another program's run is a person's", "drs-cross-account", map[string]string{"ManagedBy": "ansible"}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			routes, e := example(t, tt.example)
			for i := range e.Keys {
				e.Keys[i].Tags = tt.tags
			}
			p := planned(t, routes, e, plan.Options{})
			if tt.keeper == "" {
				if len(p.Stuck) > 0 || p.Empty() {
					t.Fatalf("%d steps; stuck: %+v", len(p.Steps), p.Stuck)
				}
				return
			}
			if !p.Empty() {
				t.Errorf("it writes: %v", p.Steps[0].Op.Slot())
			}
			var letters strings.Builder
			for _, s := range p.Stuck {
				letters.WriteString(s.Message)
				if s.Owner != "whoever keeps "+tt.keeper {
					t.Errorf("the owner of %q is %q", s.What, s.Owner)
				}
			}
			for _, want := range tt.patch {
				if !strings.Contains(letters.String(), want) {
					t.Errorf("nothing of %s in\n%s", want, letters.String())
				}
			}
			open := planned(t, routes, e, plan.Options{Chosen: plan.Chosen{Owned: true}})
			if len(open.Stuck) > 0 || open.Empty() {
				t.Errorf("asked to, it does not write: %+v", open.Stuck)
			}
		})
	}
}
