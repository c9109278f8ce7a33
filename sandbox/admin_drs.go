package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	sdkdrs "github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/drs"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// AddSourceServer makes a source server of AWS Elastic Disaster Recovery, as an agent
// does on AWS when it is installed on a machine, and starts its replication. The account
// has to be initialized in the Region.
func (s *Sandbox) AddSourceServer(a drs.Agent) (*types.SourceServer, error) {
	var server *types.SourceServer
	err := s.forDRS(a.Account, a.Region, func(ctx context.Context) (err error) {
		server, err = s.drs.AddSourceServer(ctx, a)
		return err
	})
	return server, err
}

// StartFailbackClient has a recovery instance of AWS Elastic Disaster Recovery replicate
// back to its machine, as a failback client does on AWS that the machine was started with.
func (s *Sandbox) StartFailbackClient(account, region, recoveryInstance string) error {
	return s.forDRS(account, region, func(ctx context.Context) error {
		return s.drs.StartFailbackClient(ctx, account, region, recoveryInstance)
	})
}

// forDRS does what AWS has no operation for.
func (s *Sandbox) forDRS(account, region string, do func(context.Context) error) error {
	if !arn.IsAccount(account) {
		return fmt.Errorf("the account %q is not twelve digits", account)
	}
	if !awsfacts.KnownRegion(region) {
		return fmt.Errorf("there is no Region %q", region)
	}
	c := &gate.Call{ID: s.ids.UUID(), Service: "drs", Region: region, At: s.settle(), Writing: true, Caller: behalf.Caller("drs.amazonaws.com")}
	c.Caller.Account = account
	err := s.db.Update(func() error { return do(gate.With(context.Background(), c)) })
	s.setAlarm()
	return err
}

// postSourceServer makes a source server: {"account": …, "region": …, "hostname": …,
// "disks": [{"device": …, "bytes": …}]}.
func (s *Sandbox) postSourceServer(w http.ResponseWriter, r *http.Request) {
	var a drs.Agent
	if err := readOwn(w, r, &a); err != nil {
		done(w, err)
		return
	}
	server, err := s.AddSourceServer(a)
	if err != nil {
		done(w, err)
		return
	}
	v := s.services["drs"]
	answer(w, v.codec().Shown(v.codec().API().Operation("StartReplication").Output, &sdkdrs.StartReplicationOutput{SourceServer: server}))
}

// postFailbackClient starts a failback client: {"account": …, "region": …,
// "recovery_instance": …}.
func (s *Sandbox) postFailbackClient(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Account  string `json:"account"`
		Region   string `json:"region"`
		Instance string `json:"recovery_instance"`
	}
	err := readOwn(w, r, &in)
	if err == nil {
		err = s.StartFailbackClient(in.Account, in.Region, in.Instance)
	}
	done(w, err)
}

// readOwn reads the body of a request to an endpoint of the sandbox's own.
func readOwn(w http.ResponseWriter, r *http.Request, to any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return errors.New("reading the body: " + wrong(err))
	}
	return nil
}
