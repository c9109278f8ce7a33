package drs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// Resources are the settings and the source servers, as an estate has them.
func (s *Service) Resources(time.Time) []estate.Resource {
	var list []estate.Resource
	for _, t := range s.templates.All("") {
		a, err := arn.Parse(*t.Arn)
		if err != nil {
			continue // the sandbox made it
		}
		list = append(list, estate.Resource{
			Type: "drs:ReplicationConfigurationTemplate", ID: *t.ReplicationConfigurationTemplateID, ARN: *t.Arn, Account: a.Account, Region: a.Region,
			Key: aws.ToString(t.EbsEncryptionKeyArn), Attributes: map[string]string{"ebsEncryption": string(t.EbsEncryption)},
		})
	}
	for _, v := range s.servers.All("") {
		status := types.ExtensionStatusNotExtended
		if v.Staging != nil {
			status = v.Staging.Status
		}
		r := estate.Resource{
			Type: "drs:SourceServer", ID: v.ID, ARN: v.arn(), Account: v.Account, Region: v.Region,
			Attributes: map[string]string{"stagingArea.status": string(status), "dataReplicationInfo.dataReplicationState": string(v.State)},
		}
		if v.Staging == nil && len(v.Disks) > 0 {
			r.Key = v.Disks[0].Key
		}
		list = append(list, r)
	}
	return list
}
