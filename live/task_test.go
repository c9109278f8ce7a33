package live_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

var _ run.Mover = (*live.Cloud)(nil)

// byDRS reports whether DRS does a step itself, within the tasks on its servers.
func byDRS(kind string, s *route.StepKind) bool {
	return strings.HasPrefix(kind, "drs") && strings.HasPrefix(s.Operation, "ec2:")
}

func TestEveryStepOfEveryKindIsATask(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	tasks := tasksOfDRS()
	for _, k := range route.Kinds() {
		for _, s := range k.Steps {
			if byDRS(k.Name, &s) {
				continue
			}
			if s.Operation != "ec2:RunInstances" {
				tasks = append(tasks, cloud.Task{Operation: s.Operation, Scenario: s.Scenario})
				continue
			}
			for _, c := range route.Consumers() {
				tasks = append(tasks, cloud.Task{Operation: s.Operation, Scenario: s.Scenario, As: c.Name})
			}
		}
	}
	for _, task := range tasks {
		// Nobody may do anything: what is known is refused by AWS or lacks arguments, and
		// says so of itself.
		task = taskIn(taskOwner, task.Operation, "kr-any", task)
		_, _, err := w.mover.Look(t.Context(), task)
		if err != nil && (strings.Contains(err.Error(), "cannot perform") || strings.Contains(err.Error(), "not known")) {
			t.Errorf("%s %s as %q: %v", task.Operation, task.Scenario, task.As, err)
		}
		if live.TaskActions(task.Operation, task.Scenario, task.As) == nil {
			t.Errorf("nothing is said of the actions that %s as %q needs", task.Operation, task.As)
		}
	}
}

func TestWhatIsNoTaskIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	for _, c := range []struct {
		operation, scenario, as, name, want string
	}{
		{"rds:DeleteDBInstance", "", "", "kr-a", "cannot perform rds:DeleteDBInstance"},
		{"ec2:ModifySnapshotAttribute", "drs", "", "kr-a", "cannot perform ec2:ModifySnapshotAttribute (drs)"},
		{"sqs:SendMessage", "", "", "kr-a", "cannot perform sqs:SendMessage"},
		{"ec2:RunInstances", "", "a-cron-job", "kr-a", `instances started by "a-cron-job" are not known`},
		{"ec2:CopySnapshot", "", "", "", `the task's name ""`},
		{"ec2:CopySnapshot", "", "", "1st", `the task's name "1st"`},
		{"ec2:CopySnapshot", "", "", "with space", `the task's name "with space"`},
		{"ec2:CopySnapshot", "", "", strings.Repeat("a", 64), "the task's name"},
		{"ec2:ModifyImageAttribute", "", "", "kr-a", "InvalidAMIID.NotFound"},
		{"backup:StartCopyJob", "", "", "kr-a", "lacks the argument sourceVault"},
		{"s3:PutObject", "", "", "kr-a", "lacks the argument bucket"},
	} {
		w.permit(taskOwner, cloud.Task{Operation: c.operation, Scenario: c.scenario, As: c.as})
		task := taskIn(taskOwner, c.operation, c.name, cloud.Task{Scenario: c.scenario, As: c.as, Source: "ami-00000000000000000"})
		_, err := w.mover.Start(t.Context(), task)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s named %q fails with %v, want %q", c.operation, c.name, err, c.want)
		}
		if kind := cloud.KindOf(err); c.want != "InvalidAMIID.NotFound" && kind != cloud.Invalid {
			t.Errorf("%s fails as %q", c.operation, kind)
		}
	}
}
