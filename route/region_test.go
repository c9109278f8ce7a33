package route_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/route"
)

// An account that has not enabled the Region is told as such, beside everything
// else that blocks.
func TestARegionThatIsOffIsABlockerOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		regions []any
		off     bool
	}{
		"the Region is among the enabled ones": {[]any{"us-east-1", "eu-west-1"}, false},
		"other Regions are enabled":            {[]any{"eu-west-1"}, true},
		"the Regions were not looked up":       {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			for _, a := range list(w, "accounts") {
				if account := a.(map[string]any); account["id"] == target && tt.regions != nil {
					account["regions"] = tt.regions
				}
			}
			p := prove(t, w, nil)
			if off := p.Verdict == route.Blocked; off != tt.off {
				t.Fatalf("verdict %v", p.Verdict)
			}
			found := false
			for _, r := range step(&p, "recover").Requests {
				for _, b := range r.Decision.Blockers {
					found = found || b.Layer == access.Region && strings.Contains(b.Text, "us-east-1 is not enabled in account "+target)
				}
			}
			if found != tt.off {
				t.Errorf("a Region that is off is told: %v, want %v", found, tt.off)
			}
		})
	}
}

// In every partition the same route is proven with that partition's ARNs; the
// names for kms:ViaService keep amazonaws.com everywhere.
func TestARouteIsProvenInEveryPartition(t *testing.T) {
	t.Parallel()
	for partition, region := range map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"} {
		t.Run(partition, func(t *testing.T) {
			t.Parallel()
			move := strings.NewReplacer("arn:aws:", "arn:"+partition+":", "us-east-1", region)
			p := prove(t, moved(t, world(t), partition, move), func(r *route.Route) {
				for _, parties := range r.Parties {
					for i := range parties {
						parties[i].Region, parties[i].Key = move.Replace(parties[i].Region), move.Replace(parties[i].Key)
						parties[i].Actor.Principal = move.Replace(parties[i].Actor.Principal)
					}
				}
			})
			if p.Verdict != route.Proven {
				t.Errorf("verdict %v: %+v", p.Verdict, p.Findings)
			}
			if got := p.Steps[0].Requests[0].Caller; !strings.HasPrefix(got, "arn:"+partition+":") {
				t.Errorf("the caller is %s", got)
			}
		})
	}
}

// moved is the estate in another partition.
func moved(t *testing.T, w map[string]any, partition string, move *strings.Replacer) map[string]any {
	t.Helper()
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var there map[string]any
	if err := json.Unmarshal([]byte(move.Replace(string(data))), &there); err != nil {
		t.Fatal(err)
	}
	for _, a := range list(there, "accounts") {
		a.(map[string]any)["partition"] = partition
	}
	return there
}
