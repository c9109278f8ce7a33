package ec2

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
	"github.com/keyreach/keyreach/usage"
)

// instanceDues are what happens to instances, by the words on the agenda.
func (s *Service) instanceDues() map[string]func(context.Context, state.Task) error {
	return map[string]func(context.Context, state.Task) error{"instance-step": s.instanceStep, "instance-forgotten": s.instanceForgotten}
}

// instanceStep has an instance take a step, when it still is to.
func (s *Service) instanceStep(ctx context.Context, t state.Task) error {
	i := s.instance(t.Account, t.Region, t.Subject)
	if i == nil {
		return nil
	}
	at := slices.IndexFunc(i.Steps, func(step Step) bool { return step.At.Equal(t.At) })
	if at < 0 {
		return nil // it was told to do something else
	}
	step := i.Steps[at]
	s.tellInstance(i, step)
	switch step.State {
	case terminated:
		s.endInstance(ctx, i, step.At)
		s.fleetLost(i, step.At)
	case stopped:
		s.release(ctx, i)
	}
	return nil
}

// instanceForgotten takes a terminated instance away.
func (s *Service) instanceForgotten(_ context.Context, t state.Task) error {
	s.instances.Delete(state.Key(t.Account, t.Region, t.Subject))
	return nil
}

// endInstance takes from a terminated instance what it had: volumes that are to end
// with it go, others are detached.
func (s *Service) endInstance(ctx context.Context, i *Instance, now time.Time) {
	for _, d := range s.devicesOf(i) {
		if d.DeleteOnTermination && len(d.volume.Attached) == 1 {
			s.tellVolume(d.volume, now, "deleteVolume", "deleted", "")
			s.removeVolume(ctx, d.volume)
			continue
		}
		s.detach(d.volume, i.ID)
	}
	s.release(ctx, i)
	s.Agenda.Add(state.Task{At: now.Add(afterwards), Service: "ec2", Account: i.Account, Region: i.Region, What: "instance-forgotten", Subject: i.ID})
}

// detach takes an instance off a volume, which keeps the grants that were made for it.
func (s *Service) detach(v *Volume, instance string) {
	v = v.clone()
	v.Attached = slices.DeleteFunc(v.Attached, func(a Attachment) bool { return a.Instance == instance })
	s.putVolume(v)
}

// release ends the grants of an instance's last start.
func (s *Service) release(ctx context.Context, i *Instance) {
	if len(i.Grants) == 0 {
		return
	}
	s.Agent.Retire(ctx, i.Grants)
	n := *i
	n.Grants = nil
	s.putInstance(&n)
}

// devicesOf are the volumes that are attached to an instance.
func (s *Service) devicesOf(i *Instance) []device {
	c := &gate.Call{Region: i.Region}
	c.Caller.Account = i.Account
	return s.devices(c)[i.ID]
}

// infrastructure is the session of EC2's own that stands for an instance: recorded as
// the grantee of a launch's grants.
func infrastructure(region, account, instance string) string {
	return "arn:" + awsfacts.PartitionName(region) + ":sts::" + account + ":assumed-role/aws:ec2-infrastructure/" + instance
}

// changeOf is the answer of an operation that moves instances.
func changeOf(id, before, after string) types.InstanceStateChange {
	return types.InstanceStateChange{InstanceId: &id, PreviousState: shownState(before), CurrentState: shownState(after)}
}

// wrongState refuses for instances in a state in which an operation cannot be.
func wrongState(i *Instance, operation string) error {
	return refuse("IncorrectInstanceState", "The instance '"+i.ID+"' is not in a state from which it can be "+operation+".")
}

// protected refuses for an instance that may not be ended or stopped.
func protected(i *Instance, attribute, verb string) error {
	return notPermitted("The instance '" + i.ID + "' may not be " + verb + ". Modify its '" + attribute + "' instance attribute and try again.")
}

// userInitiated is the reason of a state that a user asked for.
func userInitiated(now time.Time, name string) Step {
	return Step{
		State: name, Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown",
		Transition: "User initiated (" + now.Format("2006-01-02 15:04:05") + " GMT)",
	}
}

// ends has an instance end for a reason that a user or a service gave.
func (s *Service) ends(now time.Time, i *Instance, why Step) {
	down, dead := why, why
	down.At, down.State = now, shuttingDown
	dead.At, dead.State = now.Add(stepTime), terminated
	s.plan(now, i, down, dead)
}

// TerminateInstances ends instances.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html.
func (s *Service) TerminateInstances(ctx context.Context, in *ec2.TerminateInstancesInput) (*ec2.TerminateInstancesOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if aws.ToBool(i.Asked.DisableApiTermination) && i.state(c.At) != terminated {
			return nil, protected(i, "disableApiTermination", "terminated")
		}
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.TerminateInstancesOutput{}
	for _, i := range list {
		before := i.state(c.At)
		after := before
		if before != terminated && before != shuttingDown {
			s.ends(c.At, i, userInitiated(c.At, ""))
			after = shuttingDown
		}
		out.TerminatingInstances = append(out.TerminatingInstances, changeOf(i.ID, before, after))
	}
	return out, nil
}

// StopInstances stops instances.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html.
func (s *Service) StopInstances(ctx context.Context, in *ec2.StopInstancesInput) (*ec2.StopInstancesOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		switch is := i.state(c.At); {
		case is == terminated || is == shuttingDown || is == pending:
			return nil, wrongState(i, "stopped")
		case aws.ToBool(i.Asked.DisableApiStop):
			return nil, protected(i, "disableApiStop", "stopped")
		case i.Lifecycle == "spot" && i.Asked.InstanceMarketOptions == nil:
			return nil, refuse("UnsupportedOperation", "You can't stop the Spot Instance '"+i.ID+"' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.")
		}
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.StopInstancesOutput{}
	for _, i := range list {
		before := i.state(c.At)
		after := before
		if before == running {
			down, over := userInitiated(c.At, stopping), userInitiated(c.At, stopped)
			down.At, over.At = c.At, c.At.Add(stepTime)
			s.plan(c.At, i, down, over)
			after = stopping
		}
		out.StoppingInstances = append(out.StoppingInstances, changeOf(i.ID, before, after))
	}
	return out, nil
}

// StartInstances starts stopped instances, for which EC2 needs a grant on the key of
// each volume again. An instance whose key refuses stops by itself.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html.
func (s *Service) StartInstances(ctx context.Context, in *ec2.StartInstancesInput) (*ec2.StartInstancesOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if is := i.state(c.At); is != stopped && is != running && is != pending {
			return nil, wrongState(i, "started")
		}
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.StartInstancesOutput{}
	for _, i := range list {
		before := i.state(c.At)
		after := before
		if before == stopped {
			if err := s.start(ctx, i); err != nil {
				return nil, err
			}
			after = pending
		}
		out.StartingInstances = append(out.StartingInstances, changeOf(i.ID, before, after))
	}
	return out, nil
}

// start starts one instance.
func (s *Service) start(ctx context.Context, i *Instance) error {
	c := gate.From(ctx)
	n := *i
	n.Launched = c.At
	grants, err := s.open(ctx, i)
	refused := (*behalf.Refused)(nil)
	switch {
	case errors.As(err, &refused):
		end := notStarted(refused)
		end.At, end.State = c.At.Add(refusedTime), stopped
		s.plan(c.At, &n, Step{At: c.At, State: pending}, end)
		return nil
	case err != nil:
		return err
	}
	n.Grants = grants
	s.plan(c.At, &n, Step{At: c.At, State: pending}, Step{At: c.At.Add(stepTime), State: running})
	return nil
}

// notStarted is how it shows that a key could not be used: as users are told of a
// missing right. Of a key that cannot be used by anybody, the reason of a launch is
// assumed.
func notStarted(r *behalf.Refused) Step {
	var e *wire.Error
	if errors.As(r.Err, &e) {
		return refusal(&usage.Failure{Code: keyState})
	}
	code := r.Use.Failure.Code
	return Step{Code: code, Message: code + ": Client error on launch", Transition: code}
}

// open makes the grants with which EC2 opens the volumes of an instance that starts.
func (s *Service) open(ctx context.Context, i *Instance) (grants []behalf.Grant, err error) {
	err = s.DB.Try(func() error {
		for _, d := range s.devicesOf(i) {
			v := d.volume
			if v.KeyARN == "" {
				continue
			}
			m, err := s.Agent.Use(ctx, "ec2:StartInstances", "", map[string]behalf.Key{
				"volume": {ARN: v.KeyARN, Context: v.context(), Blob: v.DataKey, Grantee: infrastructure(v.Region, v.Account, i.ID)},
			})
			if err != nil {
				return err
			}
			grants = append(grants, m.Grants...)
		}
		return nil
	})
	return grants, err
}

// RebootInstances asks instances to reboot, which shows nowhere.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RebootInstances.html.
func (s *Service) RebootInstances(ctx context.Context, in *ec2.RebootInstancesInput) (*ec2.RebootInstancesOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if is := i.state(c.At); is != running && is != pending {
			return nil, wrongState(i, "rebooted")
		}
	}
	return &ec2.RebootInstancesOutput{}, dry(in.DryRun)
}
