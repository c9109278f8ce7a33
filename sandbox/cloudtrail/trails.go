package cloudtrail

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Trail is a trail: where events are to be delivered to.
type Trail struct {
	Account, Region, Name string
	Bucket                string
	Prefix                *string `json:",omitempty"`
	Key                   *string `json:",omitempty"`
	Topic                 *string `json:",omitempty"`
	LogGroup, LogRole     *string `json:",omitempty"`
	Validates             bool    `json:",omitempty"`
	Global, MultiRegion   bool    `json:",omitempty"`
	Organization          bool    `json:",omitempty"`
	Logging               bool    `json:",omitempty"`
	Started, Stopped      *time.Time
	Selectors             []types.EventSelector         `json:",omitempty"`
	Advanced              []types.AdvancedEventSelector `json:",omitempty"`
	Tags                  []Tag                         `json:",omitempty"`
}

func (t *Trail) arn() string { return trailARN(t.Region, t.Account, t.Name) }

func trailARN(region, account, name string) string {
	return "arn:aws:cloudtrail:" + region + ":" + account + ":trail/" + name
}

// fullName is the ARN of the trail that a name or ARN means.
func fullName(c *gate.Call, name string) (string, error) {
	if strings.HasPrefix(name, "arn:") {
		a, err := arn.Parse(name)
		if err != nil || a.Service != "cloudtrail" || !strings.HasPrefix(a.Resource, "trail/") {
			return "", refuse("CloudTrailARNInvalidException", "The ARN "+name+" is not that of a trail.") // assumed text
		}
		return name, nil
	}
	if n := len(name); n < 3 || n > 128 {
		return "", refuse("InvalidTrailNameException", "Trail name has to have 3 to 128 characters; this one has "+strconv.Itoa(n)+".") // assumed text
	}
	return trailARN(c.Region, c.Caller.Account, name), nil
}

// trail finds a trail by its name or ARN.
func (s *Service) trail(ctx context.Context, name string) (*Trail, error) {
	c := gate.From(ctx)
	full, err := fullName(c, name)
	if err != nil {
		return nil, err
	}
	a, err := arn.Parse(full)
	if err != nil {
		return nil, err
	}
	t := s.trails.Get(state.Key(a.Account, a.Region, strings.TrimPrefix(a.Resource, "trail/")))
	if t == nil {
		return nil, refuse("TrailNotFoundException", "Unknown trail: "+full+" for the user: "+c.Caller.Account)
	}
	return t, nil
}

func (s *Service) put(t *Trail) { s.trails.Put(state.Key(t.Account, t.Region, t.Name), t) }

// CreateTrail makes a trail, which does not log before StartLogging.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html.
func (s *Service) CreateTrail(ctx context.Context, in *cloudtrail.CreateTrailInput) (*cloudtrail.CreateTrailOutput, error) {
	c := gate.From(ctx)
	if s.trails.Get(state.Key(c.Caller.Account, c.Region, *in.Name)) != nil {
		return nil, refuse("TrailAlreadyExistsException", "Trail "+*in.Name+" already exists for customer: "+c.Caller.Account)
	}
	tags, err := addTags(nil, in.TagsList)
	if err != nil {
		return nil, err
	}
	t := &Trail{
		Account: c.Caller.Account, Region: c.Region, Name: *in.Name, Bucket: *in.S3BucketName, Prefix: in.S3KeyPrefix, Key: in.KmsKeyId, Topic: in.SnsTopicName,
		LogGroup: in.CloudWatchLogsLogGroupArn, LogRole: in.CloudWatchLogsRoleArn, Global: true, Tags: tags,
	}
	set(&t.Global, in.IncludeGlobalServiceEvents)
	set(&t.MultiRegion, in.IsMultiRegionTrail)
	set(&t.Organization, in.IsOrganizationTrail)
	set(&t.Validates, in.EnableLogFileValidation)
	s.put(t)
	return t.made(), nil
}

// made is a trail as CreateTrail and UpdateTrail answer it.
func (t *Trail) made() *cloudtrail.CreateTrailOutput {
	v := t.shown()
	return &cloudtrail.CreateTrailOutput{
		Name: v.Name, TrailARN: v.TrailARN, S3BucketName: v.S3BucketName, S3KeyPrefix: v.S3KeyPrefix, KmsKeyId: v.KmsKeyId, SnsTopicARN: v.SnsTopicARN,
		IncludeGlobalServiceEvents: v.IncludeGlobalServiceEvents, IsMultiRegionTrail: v.IsMultiRegionTrail, IsOrganizationTrail: v.IsOrganizationTrail,
		LogFileValidationEnabled: v.LogFileValidationEnabled, CloudWatchLogsLogGroupArn: v.CloudWatchLogsLogGroupArn, CloudWatchLogsRoleArn: v.CloudWatchLogsRoleArn,
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (t *Trail) shown() *types.Trail {
	v := &types.Trail{
		Name: &t.Name, TrailARN: new(t.arn()), HomeRegion: &t.Region, S3BucketName: &t.Bucket, S3KeyPrefix: t.Prefix, KmsKeyId: t.Key,
		IncludeGlobalServiceEvents: &t.Global, IsMultiRegionTrail: &t.MultiRegion, IsOrganizationTrail: &t.Organization, LogFileValidationEnabled: &t.Validates,
		CloudWatchLogsLogGroupArn: t.LogGroup, CloudWatchLogsRoleArn: t.LogRole, HasCustomEventSelectors: new(t.Selectors != nil || t.Advanced != nil), HasInsightSelectors: new(false),
	}
	if t.Topic != nil {
		v.SnsTopicARN = new("arn:aws:sns:" + t.Region + ":" + t.Account + ":" + *t.Topic)
	}
	return v
}

// UpdateTrail changes a trail.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html.
func (s *Service) UpdateTrail(ctx context.Context, in *cloudtrail.UpdateTrailInput) (*cloudtrail.UpdateTrailOutput, error) {
	old, err := s.trail(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	t := *old
	set(&t.Bucket, in.S3BucketName)
	set(&t.Global, in.IncludeGlobalServiceEvents)
	set(&t.MultiRegion, in.IsMultiRegionTrail)
	set(&t.Organization, in.IsOrganizationTrail)
	set(&t.Validates, in.EnableLogFileValidation)
	for _, x := range []struct{ to, from **string }{
		{&t.Prefix, &in.S3KeyPrefix}, {&t.Key, &in.KmsKeyId}, {&t.Topic, &in.SnsTopicName},
		{&t.LogGroup, &in.CloudWatchLogsLogGroupArn}, {&t.LogRole, &in.CloudWatchLogsRoleArn},
	} {
		if *x.from != nil {
			*x.to = *x.from
		}
	}
	s.put(&t)
	out := cloudtrail.UpdateTrailOutput(*t.made())
	return &out, nil
}

// DeleteTrail ends a trail.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DeleteTrail.html.
func (s *Service) DeleteTrail(ctx context.Context, in *cloudtrail.DeleteTrailInput) (*cloudtrail.DeleteTrailOutput, error) {
	t, err := s.trail(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	s.trails.Delete(state.Key(t.Account, t.Region, t.Name))
	return &cloudtrail.DeleteTrailOutput{}, nil
}

// GetTrail tells about a trail.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrail.html.
func (s *Service) GetTrail(ctx context.Context, in *cloudtrail.GetTrailInput) (*cloudtrail.GetTrailOutput, error) {
	t, err := s.trail(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	return &cloudtrail.GetTrailOutput{Trail: t.shown()}, nil
}

// GetTrailStatus tells whether a trail logs.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html.
func (s *Service) GetTrailStatus(ctx context.Context, in *cloudtrail.GetTrailStatusInput) (*cloudtrail.GetTrailStatusOutput, error) {
	t, err := s.trail(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	out := &cloudtrail.GetTrailStatusOutput{IsLogging: &t.Logging, StartLoggingTime: t.Started, StopLoggingTime: t.Stopped}
	if t.Started != nil {
		out.TimeLoggingStarted = new(t.Started.Format(time.RFC3339))
	}
	if t.Stopped != nil {
		out.TimeLoggingStopped = new(t.Stopped.Format(time.RFC3339))
	}
	return out, nil
}

// visible are the trails of an account that are seen in a Region.
func (s *Service) visible(c *gate.Call, shadows bool) []*Trail {
	var list []*Trail
	for _, t := range s.trails.All(state.Key(c.Caller.Account, "")) {
		if t.Region == c.Region || t.MultiRegion && shadows {
			list = append(list, t)
		}
	}
	return list
}

// Logs reports whether an account has a trail that is on and logs a record. What
// advanced selectors say of it is not looked at.
// See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html.
func (s *Service) Logs(r *Record) bool {
	for _, t := range s.trails.All(state.Key(r.RecipientAccountID, "")) {
		if t.Logging && (t.MultiRegion || t.Region == r.AWSRegion) && t.selects(r) {
			return true
		}
	}
	return false
}

// selects reports whether the selectors of a trail take a record.
func (t *Trail) selects(r *Record) bool {
	if t.Selectors == nil {
		return true
	}
	return slices.ContainsFunc(t.Selectors, func(v types.EventSelector) bool {
		unwanted := map[types.ReadWriteType]bool{types.ReadWriteTypeReadOnly: !r.ReadOnly, types.ReadWriteTypeWriteOnly: r.ReadOnly}
		return *v.IncludeManagementEvents && !unwanted[v.ReadWriteType] && !slices.Contains(v.ExcludeManagementEventSources, r.EventSource)
	})
}

// DescribeTrails tells about the trails of a Region.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html.
func (s *Service) DescribeTrails(ctx context.Context, in *cloudtrail.DescribeTrailsInput) (*cloudtrail.DescribeTrailsOutput, error) {
	c := gate.From(ctx)
	wanted := map[string]bool{}
	for _, name := range in.TrailNameList {
		full, err := fullName(c, name)
		if err != nil {
			return nil, err
		}
		wanted[full] = true
	}
	out := &cloudtrail.DescribeTrailsOutput{TrailList: []types.Trail{}}
	for _, t := range s.visible(c, in.IncludeShadowTrails == nil || *in.IncludeShadowTrails) {
		if len(wanted) == 0 || wanted[t.arn()] {
			out.TrailList = append(out.TrailList, *t.shown())
		}
	}
	return out, nil
}

// ListTrails lists an account's trails of all Regions.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListTrails.html.
func (s *Service) ListTrails(ctx context.Context, in *cloudtrail.ListTrailsInput) (*cloudtrail.ListTrailsOutput, error) {
	var list []types.TrailInfo
	for _, t := range s.trails.All(state.Key(gate.From(ctx).Caller.Account, "")) {
		list = append(list, types.TrailInfo{Name: &t.Name, TrailARN: new(t.arn()), HomeRegion: &t.Region})
	}
	page, next, ok := gate.Page(list, in.NextToken, nil, 100)
	if !ok {
		return nil, refuse("InvalidNextTokenException", "Invalid token.") // assumed text
	}
	return &cloudtrail.ListTrailsOutput{Trails: page, NextToken: next}, nil
}

// StartLogging makes a trail log from now on.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StartLogging.html.
func (s *Service) StartLogging(ctx context.Context, in *cloudtrail.StartLoggingInput) (*cloudtrail.StartLoggingOutput, error) {
	return &cloudtrail.StartLoggingOutput{}, s.log(ctx, *in.Name, true)
}

// StopLogging makes a trail stop.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StopLogging.html.
func (s *Service) StopLogging(ctx context.Context, in *cloudtrail.StopLoggingInput) (*cloudtrail.StopLoggingOutput, error) {
	return &cloudtrail.StopLoggingOutput{}, s.log(ctx, *in.Name, false)
}

func (s *Service) log(ctx context.Context, name string, on bool) error {
	old, err := s.trail(ctx, name)
	if err != nil {
		return err
	}
	t, at := *old, gate.From(ctx).At
	if t.Logging = on; on {
		t.Started = &at
	} else {
		t.Stopped = &at
	}
	s.put(&t)
	return nil
}
