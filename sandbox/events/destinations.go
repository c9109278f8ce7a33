package events

import (
	"context"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) destinationOperations() []gate.Operation {
	const reads, writes = gate.Reads, gate.Writes
	return []gate.Operation{
		gate.Op(writes, onNamed(s, "CreateConnection", "connection", func(in *eventbridge.CreateConnectionInput) *string { return in.Name }), s.CreateConnection),
		gate.Op(writes, onNamed(s, "UpdateConnection", "connection", func(in *eventbridge.UpdateConnectionInput) *string { return in.Name }), s.UpdateConnection),
		gate.Op(reads, onNamed(s, "DescribeConnection", "connection", func(in *eventbridge.DescribeConnectionInput) *string { return in.Name }), s.DescribeConnection),
		gate.Op(writes, onNamed(s, "DeauthorizeConnection", "connection", func(in *eventbridge.DeauthorizeConnectionInput) *string { return in.Name }), s.DeauthorizeConnection),
		gate.Op(writes, onNamed(s, "DeleteConnection", "connection", func(in *eventbridge.DeleteConnectionInput) *string { return in.Name }), s.DeleteConnection),
		gate.Op(reads, onAny[eventbridge.ListConnectionsInput]("ListConnections"), s.ListConnections),
		gate.Op(writes, onNamed(s, "CreateApiDestination", "api-destination", func(in *eventbridge.CreateApiDestinationInput) *string { return in.Name }), s.CreateApiDestination),
		gate.Op(reads, onNamed(s, "DescribeApiDestination", "api-destination", func(in *eventbridge.DescribeApiDestinationInput) *string { return in.Name }), s.DescribeApiDestination),
		gate.Op(writes, onNamed(s, "UpdateApiDestination", "api-destination", func(in *eventbridge.UpdateApiDestinationInput) *string { return in.Name }), s.UpdateApiDestination),
		gate.Op(writes, onNamed(s, "DeleteApiDestination", "api-destination", func(in *eventbridge.DeleteApiDestinationInput) *string { return in.Name }), s.DeleteApiDestination),
		gate.Op(reads, onAny[eventbridge.ListApiDestinationsInput]("ListApiDestinations"), s.ListApiDestinations),
	}
}

// onNamed is what an operation needs that is about a connection or destination. The id
// in its ARN is asked for as *, which policies with a wildcard there match, before there
// is one: assumed.
func onNamed[I any](s *Service, action, kind string, name func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		id := "*"
		row := state.Key(c.Caller.Account, c.Region, *name(in))
		if k := s.connections.Get(row); kind == "connection" && k != nil {
			id = k.ID
		}
		if d := s.destinations.Get(row); kind == "api-destination" && d != nil {
			id = d.ID
		}
		full := behalf.ARN("events", c.Region, c.Caller.Account, kind, "/", *name(in), "/", id)
		target, _ := arn.Parse(full) // made here
		return []gate.Ask{{Action: "events:" + action, Resource: full, Target: target}}, nil
	}
}

func (s *Service) connection(c *gate.Call, name string) (*Connection, error) {
	k := s.connections.Get(state.Key(c.Caller.Account, c.Region, name))
	if k == nil {
		return nil, refuse("ResourceNotFoundException", "Failed to describe the connection(s). Connection '"+name+"' does not exist.") // assumed text
	}
	return k, nil
}

// CreateConnection makes a connection, which is authorized at once: with an API key or a
// name and a password.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateConnection.html.
func (s *Service) CreateConnection(ctx context.Context, in *eventbridge.CreateConnectionInput) (*eventbridge.CreateConnectionOutput, error) {
	c := gate.From(ctx)
	row := state.Key(c.Caller.Account, c.Region, *in.Name)
	if s.connections.Get(row) != nil {
		return nil, refuse("ResourceAlreadyExistsException", "Connection "+*in.Name+" already exists.") // assumed text
	}
	k := &Connection{
		Account: c.Caller.Account, Region: c.Region, Name: *in.Name, ID: s.IDs.UUID(), Description: in.Description, Key: in.KmsKeyIdentifier,
		Kind: in.AuthorizationType, Created: c.At,
	}
	if in.InvocationConnectivityParameters != nil || in.AuthParameters.ConnectivityParameters != nil || in.AuthParameters.OAuthParameters != nil {
		return nil, notConnected()
	}
	if v := in.AuthParameters.ApiKeyAuthParameters; v != nil {
		k.User, k.Secret = aws.ToString(v.ApiKeyName), aws.ToString(v.ApiKeyValue)
	}
	if v := in.AuthParameters.BasicAuthParameters; v != nil {
		k.User, k.Secret = aws.ToString(v.Username), aws.ToString(v.Password)
	}
	if err := s.authorized(c, k, in.AuthParameters.InvocationHttpParameters); err != nil {
		return nil, err
	}
	return &eventbridge.CreateConnectionOutput{ConnectionArn: new(k.arn()), ConnectionState: k.State, CreationTime: &k.Created, LastModifiedTime: &k.Modified}, nil
}

func notConnected() error {
	return invalid("The sandbox has connections with an API key or a name and password only, and none to private APIs.") // our own text
}

// authorized stores a connection whose parameters are as they are to be.
func (s *Service) authorized(c *gate.Call, k *Connection, more *types.ConnectionHttpParameters) error {
	switch {
	case k.Kind == types.ConnectionAuthorizationTypeOauthClientCredentials:
		return notConnected()
	case more != nil && len(more.BodyParameters) > 0:
		return invalid("The sandbox adds nothing to the bodies of events.") // our own text
	case k.User == "" || k.Secret == "":
		return invalid("The authorization parameters are not those of the authorization type.") // assumed text
	}
	if more != nil {
		k.HTTP = more
	}
	k.State, k.Modified, k.Authorized = types.ConnectionStateAuthorized, c.At, &c.At
	s.connections.Put(state.Key(k.Account, k.Region, k.Name), k)
	return nil
}

// UpdateConnection changes a connection.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateConnection.html.
func (s *Service) UpdateConnection(ctx context.Context, in *eventbridge.UpdateConnectionInput) (*eventbridge.UpdateConnectionOutput, error) {
	c := gate.From(ctx)
	old, err := s.connection(c, *in.Name)
	if err != nil {
		return nil, err
	}
	k := *old
	if in.AuthorizationType != "" && in.AuthorizationType != k.Kind {
		k.Kind, k.User, k.Secret = in.AuthorizationType, "", ""
	}
	if in.Description != nil {
		k.Description = in.Description
	}
	if in.KmsKeyIdentifier != nil {
		k.Key = wire.Optional(*in.KmsKeyIdentifier)
	}
	more := k.HTTP
	if v := in.AuthParameters; v != nil {
		if v.OAuthParameters != nil {
			return nil, notConnected()
		}
		if x := v.ApiKeyAuthParameters; x != nil {
			replace(&k.User, x.ApiKeyName)
			replace(&k.Secret, x.ApiKeyValue)
		}
		if x := v.BasicAuthParameters; x != nil {
			replace(&k.User, x.Username)
			replace(&k.Secret, x.Password)
		}
		if v.InvocationHttpParameters != nil {
			more = v.InvocationHttpParameters
		}
	}
	if in.InvocationConnectivityParameters != nil {
		return nil, notConnected()
	}
	if err := s.authorized(c, &k, more); err != nil {
		return nil, err
	}
	return &eventbridge.UpdateConnectionOutput{
		ConnectionArn: new(k.arn()), ConnectionState: k.State, CreationTime: &k.Created, LastModifiedTime: &k.Modified, LastAuthorizedTime: k.Authorized,
	}, nil
}

func replace(to, from *string) {
	if from != nil {
		*to = *from
	}
}

// DescribeConnection tells about a connection, but no secrets.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeConnection.html.
func (s *Service) DescribeConnection(ctx context.Context, in *eventbridge.DescribeConnectionInput) (*eventbridge.DescribeConnectionOutput, error) {
	k, err := s.connection(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	auth := &types.ConnectionAuthResponseParameters{InvocationHttpParameters: k.shownHTTP()}
	if k.Kind == types.ConnectionAuthorizationTypeApiKey {
		auth.ApiKeyAuthParameters = &types.ConnectionApiKeyAuthResponseParameters{ApiKeyName: &k.User}
	} else {
		auth.BasicAuthParameters = &types.ConnectionBasicAuthResponseParameters{Username: &k.User}
	}
	return &eventbridge.DescribeConnectionOutput{
		Name: &k.Name, ConnectionArn: new(k.arn()), ConnectionState: k.State, AuthorizationType: k.Kind, AuthParameters: auth, Description: k.Description,
		KmsKeyIdentifier: k.Key, SecretArn: new(k.secretARN()), CreationTime: &k.Created, LastModifiedTime: &k.Modified, LastAuthorizedTime: k.Authorized,
	}, nil
}

// shownHTTP are the parameters without the values that are secret.
func (k *Connection) shownHTTP() *types.ConnectionHttpParameters {
	if k.HTTP == nil {
		return nil
	}
	out := &types.ConnectionHttpParameters{}
	for _, x := range k.HTTP.HeaderParameters {
		if x.IsValueSecret {
			x.Value = nil
		}
		out.HeaderParameters = append(out.HeaderParameters, x)
	}
	for _, x := range k.HTTP.QueryStringParameters {
		if x.IsValueSecret {
			x.Value = nil
		}
		out.QueryStringParameters = append(out.QueryStringParameters, x)
	}
	return out
}

// DeauthorizeConnection forgets the secrets of a connection.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeauthorizeConnection.html.
func (s *Service) DeauthorizeConnection(ctx context.Context, in *eventbridge.DeauthorizeConnectionInput) (*eventbridge.DeauthorizeConnectionOutput, error) {
	c := gate.From(ctx)
	old, err := s.connection(c, *in.Name)
	if err != nil {
		return nil, err
	}
	k := *old
	k.State, k.Secret, k.HTTP, k.Modified = types.ConnectionStateDeauthorized, "", nil, c.At
	s.connections.Put(state.Key(k.Account, k.Region, k.Name), &k)
	return &eventbridge.DeauthorizeConnectionOutput{
		ConnectionArn: new(k.arn()), ConnectionState: k.State, CreationTime: &k.Created, LastModifiedTime: &k.Modified, LastAuthorizedTime: k.Authorized,
	}, nil
}

// DeleteConnection ends a connection.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteConnection.html.
func (s *Service) DeleteConnection(ctx context.Context, in *eventbridge.DeleteConnectionInput) (*eventbridge.DeleteConnectionOutput, error) {
	k, err := s.connection(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	s.connections.Delete(state.Key(k.Account, k.Region, k.Name))
	return &eventbridge.DeleteConnectionOutput{
		ConnectionArn: new(k.arn()), ConnectionState: types.ConnectionStateDeleting, CreationTime: &k.Created, LastModifiedTime: &k.Modified, LastAuthorizedTime: k.Authorized,
	}, nil
}

// ListConnections lists connections.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListConnections.html.
func (s *Service) ListConnections(ctx context.Context, in *eventbridge.ListConnectionsInput) (*eventbridge.ListConnectionsOutput, error) {
	c := gate.From(ctx)
	list := []types.Connection{}
	for _, k := range s.connections.All(state.Key(c.Caller.Account, c.Region, "")) {
		if strings.HasPrefix(k.Name, aws.ToString(in.NamePrefix)) && (in.ConnectionState == "" || in.ConnectionState == k.State) {
			list = append(list, types.Connection{
				Name: &k.Name, ConnectionArn: new(k.arn()), ConnectionState: k.State, AuthorizationType: k.Kind,
				CreationTime: &k.Created, LastModifiedTime: &k.Modified, LastAuthorizedTime: k.Authorized,
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.Limit)
	return &eventbridge.ListConnectionsOutput{Connections: page, NextToken: next}, err
}

func (s *Service) destination(c *gate.Call, name string) (*Destination, error) {
	d := s.destinations.Get(state.Key(c.Caller.Account, c.Region, name))
	if d == nil {
		return nil, refuse("ResourceNotFoundException", "Failed to describe the api-destination(s). An api-destination '"+name+"' does not exist.") // assumed text
	}
	return d, nil
}

// set gives a destination what a request says, and checks the outcome.
func (s *Service) set(c *gate.Call, d *Destination, connection, endpoint, description *string, method types.ApiDestinationHttpMethod, rate *int32) error {
	if connection != nil {
		d.Connection = *connection
	}
	if endpoint != nil {
		d.Endpoint = *endpoint
	}
	if description != nil {
		d.Description = description
	}
	if method != "" {
		d.Method = method
	}
	if rate != nil {
		d.Rate = *rate
	}
	row, ok := named("connection", d.Connection)
	if k := s.connections.Get(row); !ok || k == nil || k.Account != c.Caller.Account || k.arn() != d.Connection {
		return refuse("ResourceNotFoundException", "Connection "+d.Connection+" does not exist.") // assumed text
	}
	// Else somebody elsewhere could have this machine call what only it may.
	if from, err := netip.ParseAddr(c.SourceIP); err == nil && !from.Unmap().IsLoopback() {
		return refuse("AccessDeniedException", "The sandbox lets callers of its own machine set an endpoint.") // our own text
	}
	if err := checkEndpoint(strings.ReplaceAll(d.Endpoint, "*", "x")); err != nil {
		return invalid("Parameter InvocationEndpoint is not valid: " + err.Error() + ".") // our own text
	}
	d.Modified = c.At
	s.destinations.Put(state.Key(d.Account, d.Region, d.Name), d)
	return nil
}

// CreateApiDestination makes an HTTP endpoint a target for rules. AWS takes https and any
// host; the sandbox sends to this machine only, and takes http too.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html.
func (s *Service) CreateApiDestination(ctx context.Context, in *eventbridge.CreateApiDestinationInput) (*eventbridge.CreateApiDestinationOutput, error) {
	c := gate.From(ctx)
	if s.destinations.Get(state.Key(c.Caller.Account, c.Region, *in.Name)) != nil {
		return nil, refuse("ResourceAlreadyExistsException", "An api-destination '"+*in.Name+"' already exists.") // assumed text
	}
	d := &Destination{Account: c.Caller.Account, Region: c.Region, Name: *in.Name, ID: s.IDs.UUID(), Rate: 300, Created: c.At}
	if err := s.set(c, d, in.ConnectionArn, in.InvocationEndpoint, in.Description, in.HttpMethod, in.InvocationRateLimitPerSecond); err != nil {
		return nil, err
	}
	return &eventbridge.CreateApiDestinationOutput{
		ApiDestinationArn: new(d.arn()), ApiDestinationState: types.ApiDestinationStateActive, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

// DescribeApiDestination tells about a destination.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeApiDestination.html.
func (s *Service) DescribeApiDestination(ctx context.Context, in *eventbridge.DescribeApiDestinationInput) (*eventbridge.DescribeApiDestinationOutput, error) {
	d, err := s.destination(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	return &eventbridge.DescribeApiDestinationOutput{
		Name: &d.Name, ApiDestinationArn: new(d.arn()), ApiDestinationState: types.ApiDestinationStateActive, ConnectionArn: &d.Connection,
		Description: d.Description, HttpMethod: d.Method, InvocationEndpoint: &d.Endpoint, InvocationRateLimitPerSecond: &d.Rate,
		CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

// UpdateApiDestination changes a destination.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateApiDestination.html.
func (s *Service) UpdateApiDestination(ctx context.Context, in *eventbridge.UpdateApiDestinationInput) (*eventbridge.UpdateApiDestinationOutput, error) {
	c := gate.From(ctx)
	old, err := s.destination(c, *in.Name)
	if err != nil {
		return nil, err
	}
	d := *old
	if err := s.set(c, &d, in.ConnectionArn, in.InvocationEndpoint, in.Description, in.HttpMethod, in.InvocationRateLimitPerSecond); err != nil {
		return nil, err
	}
	return &eventbridge.UpdateApiDestinationOutput{
		ApiDestinationArn: new(d.arn()), ApiDestinationState: types.ApiDestinationStateActive, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

// DeleteApiDestination ends a destination.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteApiDestination.html.
func (s *Service) DeleteApiDestination(ctx context.Context, in *eventbridge.DeleteApiDestinationInput) (*eventbridge.DeleteApiDestinationOutput, error) {
	d, err := s.destination(gate.From(ctx), *in.Name)
	if err != nil {
		return nil, err
	}
	s.destinations.Delete(state.Key(d.Account, d.Region, d.Name))
	return &eventbridge.DeleteApiDestinationOutput{}, nil
}

// ListApiDestinations lists destinations.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListApiDestinations.html.
func (s *Service) ListApiDestinations(ctx context.Context, in *eventbridge.ListApiDestinationsInput) (*eventbridge.ListApiDestinationsOutput, error) {
	c := gate.From(ctx)
	list := []types.ApiDestination{}
	for _, d := range s.destinations.All(state.Key(c.Caller.Account, c.Region, "")) {
		if strings.HasPrefix(d.Name, aws.ToString(in.NamePrefix)) && (in.ConnectionArn == nil || *in.ConnectionArn == d.Connection) {
			list = append(list, types.ApiDestination{
				Name: &d.Name, ApiDestinationArn: new(d.arn()), ApiDestinationState: types.ApiDestinationStateActive, ConnectionArn: &d.Connection,
				HttpMethod: d.Method, InvocationEndpoint: &d.Endpoint, InvocationRateLimitPerSecond: &d.Rate, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.Limit)
	return &eventbridge.ListApiDestinationsOutput{ApiDestinations: page, NextToken: next}, err
}
