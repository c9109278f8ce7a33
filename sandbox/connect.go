package sandbox

import (
	"github.com/keyreach/keyreach/sandbox/autoscaling"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/drs"
	"github.com/keyreach/keyreach/sandbox/ebs"
	"github.com/keyreach/keyreach/sandbox/ec2"
	"github.com/keyreach/keyreach/sandbox/events"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/iam"
	"github.com/keyreach/keyreach/sandbox/kms"
	"github.com/keyreach/keyreach/sandbox/organizations"
	"github.com/keyreach/keyreach/sandbox/rds"
	"github.com/keyreach/keyreach/sandbox/s3"
	"github.com/keyreach/keyreach/sandbox/secretsmanager"
	"github.com/keyreach/keyreach/sandbox/ssm"
	"github.com/keyreach/keyreach/sandbox/sts"
)

// connect makes the services and tells each what it needs of the others.
func (s *Sandbox) connect() {
	s.gate = &gate.Gate{}
	s.iam = iam.New(iam.Config{
		DB: s.db, Clock: s.clock, IDs: s.ids, Gate: s.gate, KnownAccount: s.knows,
		AccountCreated:  s.since,
		MultiRegionKeys: func(account string) bool { return s.kms.HasMultiRegionKeys(account) },
	})
	s.events = events.New(events.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Gate: s.gate, Agent: s.agent("events"), Agenda: s.agenda})
	s.kms = kms.New(kms.Config{
		DB: s.db, Clock: s.clock, IDs: s.ids, Gate: s.gate, Client: client{s}, Principals: s.iam, Events: s.events, GrantDelay: s.options.GrantDelay,
		Changed: func(arn string, usable bool) { s.rds.KeyChanged(arn, usable, s.clock.Now()) },
	})
	s.sts = sts.New(sts.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Principals: roles{s.iam}, Decode: s.seal.open})
	s.gate.Identities = s.iam
	s.orgs = organizations.New(organizations.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Accounts: accounts{s}})
	s.gate.Organizations = s.orgs
	s.trail = cloudtrail.New(cloudtrail.Config{DB: s.db, Clock: s.clock, Log: s.log, Describe: s.describe})
	for _, service := range []gate.Service{s.kms, s.iam, s.sts, s.orgs, s.trail, s.events} {
		s.serve(service)
	}
	s.connectEC2()
	s.rds = rds.New(rds.Config{DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("rds"), Events: s.events})
	s.serve(s.rds)
	s.drs = drs.New(drs.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("drs"), Keys: s.kms, Events: s.events})
	s.serve(s.drs)
	s.s3 = s3.New(s3.Config{DB: s.db, Clock: s.clock, IDs: s.ids, Gate: s.gate, Agent: s.agent("s3"), Agenda: s.agenda, Dir: s.objectsDir(), Events: s.events})
	s.serve(s.s3)
	s.connectBackup()
	s.serve(secretsmanager.New(secretsmanager.Config{DB: s.db, IDs: s.ids, Gate: s.gate, Agent: s.agent("secretsmanager"), Agenda: s.agenda}))
	s.serve(ssm.New(ssm.Config{DB: s.db, IDs: s.ids, Agent: s.agent("ssm")}))
}

// objectsDir is where the bytes of objects are kept beside the state; empty without one.
func (s *Sandbox) objectsDir() string {
	if s.options.State == "" {
		return ""
	}
	return s.options.State + ".objects"
}

// agent acts for a service.
func (s *Sandbox) agent(service string) *behalf.Agent {
	return &behalf.Agent{Service: service, Client: client{s}, Principals: s.iam, DB: s.db}
}

// connectEC2 makes EC2 and the EBS direct APIs, which share their snapshots, and Auto
// Scaling, which hears what becomes of instances.
func (s *Sandbox) connectEC2() {
	snapshots := blocks.NewStore(s.db)
	scaling := autoscaling.New(autoscaling.Config{DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("autoscaling"), Events: s.events, Profiles: s.iam})
	agent := s.agent("ec2")
	agent.Told = "ec2-frontend-api" // recorded
	s.ec2 = ec2.New(ec2.Config{
		DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: agent, Keys: s.kms, Events: heard{s.events, scaling}, Snapshots: snapshots, Organizations: s.orgs,
		Profiles: s.iam,
	})
	s.serve(s.ec2)
	s.serve(scaling)
	s.serve(ebs.New(ebs.Config{
		DB: s.db, IDs: s.ids, Agenda: s.agenda, Agent: s.agent("ebs"), Account: s.ec2, Keys: s.kms, Snapshots: snapshots,
	}))
}

// heard is EventBridge, and who else hears what EC2 tells.
type heard struct {
	*events.Service
	scaling *autoscaling.Service
}

// Emit takes what happened.
func (h heard) Emit(e gate.Event) {
	h.Service.Emit(e)
	h.scaling.Heard(e)
}
