package drs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// tables are what DRS remembers. All keys begin with account and Region.
type tables struct {
	accounts  *state.Table[Account]
	templates *state.Table[types.ReplicationConfigurationTemplate]
	launches  *state.Table[types.LaunchConfigurationTemplate]
	servers   *state.Table[Server]
	points    *state.Table[Point] // account, Region, server, time and id
	jobs      *state.Table[Job]
	instances *state.Table[Instance]
}

func newTables(db *state.DB) tables {
	return tables{
		accounts:  state.NewTable[Account](db, "drs.accounts", nil),
		templates: state.NewTable[types.ReplicationConfigurationTemplate](db, "drs.templates", nil),
		launches:  state.NewTable[types.LaunchConfigurationTemplate](db, "drs.launches", nil),
		servers:   state.NewTable[Server](db, "drs.servers", nil),
		points:    state.NewTable[Point](db, "drs.points", nil),
		jobs: state.NewTable(db, "drs.jobs", func(j *Job) {
			if j.Caller.Session != nil {
				j.Caller.Session.Ready()
				j.Caller.Principal = j.Caller.Session.Holder
			}
		}),
		instances: state.NewTable[Instance](db, "drs.instances", nil),
	}
}

// Account is an account that is initialized in a Region.
type Account struct{ Since time.Time }

// staged is a disk of a source server: its staging volume, whose key is empty for none,
// and the GiB of it.
type staged struct {
	Device      string
	Bytes       int64
	Volume, Key string `json:",omitempty"`
	Size        int32
}

// Server is a source server.
type Server struct {
	Account, Region, ID string
	Created             time.Time
	Hostname            string
	Disks               []staged
	Cores               int64
	RAM                 int64
	OS                  string
	AWSInstance         string `json:",omitempty"` // the EC2 instance that it is
	// OriginAccount, OriginRegion and OriginZone are set for a server that runs on AWS.
	OriginAccount, OriginRegion, OriginZone string `json:",omitempty"`

	Replication drs.GetReplicationConfigurationOutput
	Launch      drs.GetLaunchConfigurationOutput

	// State is the replication's, Error and Raw why it is stalled. Generation counts how
	// often it began: tasks of an earlier one are void.
	State      types.DataReplicationState
	Error      types.DataReplicationErrorString `json:",omitempty"`
	Raw        string                           `json:",omitempty"`
	Generation int
	Started    time.Time
	Attempt    time.Time // the next, when it is stalled
	Synced     time.Time // when it first was continuous

	// Staging is set for a server that is extended from another account.
	Staging *Extension `json:",omitempty"`

	Direction types.ReplicationDirection
	Reversed  string `json:",omitempty"` // ARN of the server that it replicates back from
	Result    types.LastLaunchResult
	Last      *types.LifeCycleLastLaunch `json:",omitempty"`
	Instance  string                     `json:",omitempty"` // its recovery instance
	Tags      map[string]string          `json:",omitempty"`
}

// Extension is where an extended source server is staged.
type Extension struct {
	Account, Server string
	Status          types.ExtensionStatus
	Message         string `json:",omitempty"`
}

// Point is a point in time to which a server can be recovered.
type Point struct {
	Account, Region, Server, ID string
	Expected                    time.Time
	// Done is when all snapshots were completed, zero until then.
	Done      time.Time
	Failed    bool `json:",omitempty"`
	Snapshots []string
	// Generation is the server's: its staging volumes were those.
	Generation int
}

// Job is a recovery or a termination.
type Job struct {
	Account, Region, ID string
	Type                types.JobType
	By                  types.InitiatedBy
	Status              types.JobStatus
	Created, Ended      time.Time
	Servers             []Participant
	Log                 []entry
	Tags                map[string]string `json:",omitempty"`
	// Caller is who started it, for whom DRS makes calls.
	Caller gate.Caller
	Ticks  int
}

// Participant is a server in a job.
type Participant struct {
	Server, Point, Instance string
	Launch                  types.LaunchStatus
	// Stage is what is done next, Image what the instance starts from.
	Stage string
	Image string `json:",omitempty"`
}

// entry is a line of a job's log.
type entry struct {
	At               time.Time
	Event            types.JobLogEvent
	Server, Instance string `json:",omitempty"`
	Raw              string `json:",omitempty"`
}

// Instance is a recovery instance.
type Instance struct {
	Account, Region, ID string // the id is EC2's
	Server, Job         string
	Created             time.Time
	Drill               bool
	Point               time.Time
	Origin              types.OriginEnvironment
	OriginZone          string `json:",omitempty"`
	Disconnected        bool   `json:",omitempty"`
	Terminated          bool   `json:",omitempty"`
	Failback            types.FailbackState
	FailbackAt          time.Time
	FailbackJob         string `json:",omitempty"`
	Reversed            string `json:",omitempty"`
	Settings            drs.GetFailbackReplicationConfigurationOutput
	Tags                map[string]string `json:",omitempty"`
}

func (s *Service) initialized(account, region string) bool {
	return s.accounts.Get(state.Key(account, region)) != nil
}

// rows are the rows of the caller's account in the Region of the call.
func rows[T any](c *gate.Call, t *state.Table[T]) []*T {
	list := []*T{}
	for _, row := range t.All(state.Key(c.Caller.Account, c.Region, "")) {
		list = append(list, row)
	}
	return list
}

func (s *Service) server(c *gate.Call, id string) (*Server, error) {
	if v := s.servers.Get(state.Key(c.Caller.Account, c.Region, id)); v != nil {
		return v, nil
	}
	return nil, notFound("SourceServer", id)
}

func (s *Service) putServer(v *Server) { s.servers.Put(state.Key(v.Account, v.Region, v.ID), v) }

func (s *Service) instance(c *gate.Call, id string) (*Instance, error) {
	if v := s.instances.Get(state.Key(c.Caller.Account, c.Region, id)); v != nil {
		return v, nil
	}
	return nil, notFound("RecoveryInstance", id)
}

func (s *Service) putInstance(v *Instance) {
	s.instances.Put(state.Key(v.Account, v.Region, v.ID), v)
}

func (s *Service) putJob(j *Job) { s.jobs.Put(state.Key(j.Account, j.Region, j.ID), j) }
