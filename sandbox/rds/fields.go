package rds

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// take sets the members of one struct of the SDK from those of another that have the
// same name and type and are given. RDS echoes most of what a request says under the
// name that it has there.
func take(to, from any) {
	dst, src := reflect.ValueOf(to).Elem(), reflect.Indirect(reflect.ValueOf(from))
	for i := range src.NumField() {
		f := src.Type().Field(i)
		if !f.IsExported() || src.Field(i).IsZero() {
			continue
		}
		if d := dst.FieldByName(f.Name); d.IsValid() && d.CanSet() && d.Type() == f.Type {
			d.Set(src.Field(i))
		}
	}
}

// settings are the members of requests that RDS shows under another name.
type settings struct {
	EnableIAMDatabaseAuthentication   *bool
	EnablePerformanceInsights         *bool
	EnableHttpEndpoint                *bool
	ManageMasterUserPassword          *bool
	EnableCloudwatchLogsExports       []string
	CloudwatchLogsExportConfiguration *types.CloudwatchLogsExportConfiguration
	VpcSecurityGroupIds               []string
	DBSubnetGroupName                 *string
	DBParameterGroupName              *string
	DBClusterParameterGroupName       *string
	OptionGroupName                   *string
	Port                              *int32
	DBPortNumber                      *int32
	ServerlessV2ScalingConfiguration  *types.ServerlessV2ScalingConfiguration
	ScalingConfiguration              *types.ScalingConfiguration
	Tags                              []types.Tag
	TagSpecifications                 []types.TagSpecification
}

func settingsOf(in any) *settings {
	var o settings
	take(&o, in)
	if o.Port == nil {
		o.Port = o.DBPortNumber
	}
	return &o
}

// check refuses what the sandbox does not have.
func (o *settings) check() error {
	if is(o.ManageMasterUserPassword) {
		return notOffered("master user passwords that RDS keeps in Secrets Manager")
	}
	return nil
}

// securityGroups are the security groups of a request; whether there are any is EC2's.
func (o *settings) securityGroups() []types.VpcSecurityGroupMembership {
	var list []types.VpcSecurityGroupMembership
	for _, id := range o.VpcSecurityGroupIds {
		list = append(list, types.VpcSecurityGroupMembership{VpcSecurityGroupId: new(id), Status: new("active")})
	}
	return list
}

// logs are the logs that are exported after a request.
func (o *settings) logs(before []string) []string {
	c := o.CloudwatchLogsExportConfiguration
	if c == nil {
		if o.EnableCloudwatchLogsExports != nil {
			return o.EnableCloudwatchLogsExports
		}
		return before
	}
	var list []string
	off := map[string]bool{}
	for _, name := range c.DisableLogTypes {
		off[name] = true
	}
	for _, name := range append(append([]string{}, before...), c.EnableLogTypes...) {
		if !off[name] {
			list = append(list, name)
			off[name] = true
		}
	}
	return list
}
