package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

var jobOfDRS = lazy.Regexp(`\bdrsjob-[0-9a-f]{17}\b`)

// oldJob notes a text that starts a recovery and then watches a job that was
// there before: the one that was started is named in the answer of StartRecovery.
func oldJob(m *Material, r *Report) {
	starts := []string{"start-recovery", "start-failback-launch", "terminate-recovery-instances", "start-source-network-recovery"}
	var started *Command
	for _, c := range m.Commands {
		switch {
		case c.Service != "drs":
		case slices.Contains(starts, c.Operation):
			started = c
		case c.Operation == "describe-jobs" || c.Operation == "describe-job-log-items":
			for _, o := range c.Options {
				for _, w := range o.Values {
					if id := jobOfDRS.FindString(w.Text); started != nil && id != "" {
						r.AddAs(finding.Info, w.Pos, c.name(), id+" is a job that was there before: the one that is started in line "+strconv.Itoa(started.Pos.Line)+" has another id",
							"take job.jobID from the answer of "+started.name()+", and read describe-job-log-items for it")
					}
				}
			}
		}
	}
}

// oldPrefix notes a rule of a lifecycle with the member Prefix, which S3 keeps for
// old requests only. See docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html.
func oldPrefix(m *Material, r *Report) {
	for _, c := range m.Commands {
		w, ok := c.Value("--lifecycle-configuration")
		if !ok || !strings.HasPrefix(c.Service, "s3") || w.tree() == nil {
			continue
		}
		for _, rules := range dig(w.tree(), "Rules") {
			for _, n := range prefixes(rules) {
				r.AddAs(finding.Info, m.nodeOr(n, w), c.name(), "Prefix of a lifecycle rule is deprecated", "put it into Filter")
				return
			}
		}
	}
}

func prefixes(rules *source.Node) []*source.Node {
	if rules.Kind != source.List {
		return nil
	}
	return dig(rules, "Prefix")
}
