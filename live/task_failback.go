package live

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/cloud"
)

// reversed is the server that the task's recovery instance replicates back to, in the
// account and Region where it came from; nil is none.
func (w *work) reversed(ctx context.Context) (*types.SourceServer, aws.Config, error) {
	list, err := w.recoveryInstances(ctx, []string{lastPart(w.Source)})
	if err != nil {
		return nil, aws.Config{}, err
	}
	if len(list) == 0 {
		return nil, aws.Config{}, w.invalid(fmt.Errorf("the recovery instance %s is not found", w.Source), cloud.NotFound)
	}
	here, err := w.server(ctx, w.own, aws.ToString(list[0].SourceServerID))
	if err != nil || here == nil || here.SourceCloudProperties == nil {
		return nil, aws.Config{}, err
	}
	from := here.SourceCloudProperties
	there, err := w.c.config(ctx, aws.ToString(from.OriginAccountID), aws.ToString(from.OriginRegion))
	if err != nil {
		return nil, there, err
	}
	servers, err := w.sourceServers(ctx, there, nil)
	for _, s := range servers {
		if aws.ToString(s.ReversedDirectionSourceServerArn) == aws.ToString(here.Arn) {
			return &s, there, err
		}
	}
	return nil, there, err
}

// lookReversed is done when everything was replicated back.
func lookReversed(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	s, _, err := w.reversed(ctx)
	if err != nil || s == nil {
		return cloud.Progress{}, false, err
	}
	p := replication(s)
	p.ID = aws.ToString(s.Arn)
	return p, true, nil
}

func reverseReplication(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskDRS(w.actor).ReverseReplication(ctx, &drs.ReverseReplicationInput{RecoveryInstanceID: new(lastPart(w.Source))})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return cloud.Progress{ID: aws.ToString(out.ReversedDirectionSourceServerArn), State: string(types.DataReplicationStateInitiating), Percent: -1}, nil
}

// removeReversed ends the replication back and deletes the server that it made.
func removeReversed(ctx context.Context, w *work) error {
	s, there, err := w.reversed(ctx)
	if err != nil || s == nil {
		return err
	}
	if s.DataReplicationInfo == nil || s.DataReplicationInfo.DataReplicationState != types.DataReplicationStateDisconnected {
		_, err := taskDRS(there).DisconnectSourceServer(ctx, &drs.DisconnectSourceServerInput{SourceServerID: s.SourceServerID})
		if err := w.failed(err, "drs:DisconnectSourceServer"); err != nil {
			return err
		}
	}
	_, err = taskDRS(there).DeleteSourceServer(ctx, &drs.DeleteSourceServerInput{SourceServerID: s.SourceServerID})
	return w.failed(err, "drs:DeleteSourceServer")
}
