package cloud

import "time"

// Task is one piece of work on data: an AWS operation of a route's step, by one actor
// in one account and Region. What it makes has the task's name, so that it is found
// again by anybody who has the task.
type Task struct {
	// Step is the name of the route's step.
	Step string `json:"step"`
	// Operation and Scenario are those of the step: rds:CopyDBSnapshot, shared.
	Operation string `json:"operation"`
	Scenario  string `json:"scenario,omitempty"`
	// As is the way in which a consumer starts instances: auto-scaling, karpenter.
	As      string `json:"as,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Actor is the ARN of the principal that has to do it.
	Actor string `json:"actor,omitempty"`
	// Name is the name, and the value of the tag keyreach:task, of what is made.
	Name string `json:"name"`
	// Source is the id or ARN of what it works on, in SourceRegion when that is
	// another Region, of SourceAccount when that is another account.
	Source        string `json:"source,omitempty"`
	SourceRegion  string `json:"source_region,omitempty"`
	SourceAccount string `json:"source_account,omitempty"`
	// Key is the ARN of the key under which the result is encrypted.
	Key string `json:"key,omitempty"`
	// With are the accounts, organizations or units that something is shared with.
	With []string `json:"with,omitempty"`
	// Args are what else the operation needs, by AWS's member names.
	Args map[string]string `json:"args,omitempty"`
	// Tags are put on what is made, beside keyreach:task.
	Tags map[string]string `json:"tags,omitempty"`
}

// Progress is how far a task is.
type Progress struct {
	// ID is the id or ARN of what the task made; empty when it makes nothing.
	ID string `json:"id,omitempty"`
	// State is AWS's word.
	State string `json:"state"`
	// Percent is -1 when AWS does not say.
	Percent int `json:"percent"`
	// Done: it is usable. Failed is AWS's text when it never will be.
	Done   bool   `json:"done"`
	Failed string `json:"failed,omitempty"`
	// Started is when AWS began, zero when it does not say. FullCopy: the whole of the
	// data is copied, because the key changes.
	Started  time.Time `json:"started,omitzero"`
	FullCopy bool      `json:"full_copy,omitempty"`
	// Made are other things that the task made and that go with it, by what they are:
	// the restored volume, the job.
	Made map[string]string `json:"made,omitempty"`
}

// TaskTag is the tag that what a task made carries, with the task's name.
const TaskTag = "keyreach:task"
