package ec2

import (
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// options adds to the fields those of what an instance is shown with.
func (f fields) options(i *Instance, now time.Time) {
	v := i.shown(now, nil)
	maps.Copy(f, fields{
		"affinity": {aws.ToString(v.Placement.Affinity)}, "host-id": {aws.ToString(v.Placement.HostId)}, "product-code": nil, "product-code.type": nil,
		"boot-mode": {string(v.BootMode)}, "current-instance-boot-mode": {string(v.CurrentInstanceBootMode)}, "capacity-reservation-id": nil,
		"ebs-optimized": {strconv.FormatBool(*v.EbsOptimized)}, "ena-support": {strconv.FormatBool(*v.EnaSupport)},
		"enclave-options.enabled":           {strconv.FormatBool(*v.EnclaveOptions.Enabled)},
		"hibernation-options.configured":    {strconv.FormatBool(*v.HibernationOptions.Configured)},
		"maintenance-options.auto-recovery": {string(v.MaintenanceOptions.AutoRecovery)},
		"platform-details":                  {aws.ToString(v.PlatformDetails)}, "usage-operation": {aws.ToString(v.UsageOperation)},
		"private-dns-name": {*v.PrivateDnsName}, "private-dns-name-options.hostname-type": {string(v.PrivateDnsNameOptions.HostnameType)},
		"network-interface.private-dns-name": {*v.PrivateDnsName}, "network-interface.availability-zone": {i.Zone}, "network-interface.status": nil,
		"metadata-options.instance-metadata-tags": {string(v.MetadataOptions.InstanceMetadataTags)}, "metadata-options.state": {string(v.MetadataOptions.State)},
		"metadata-options.http-put-response-hop-limit": {strconv.Itoa(int(aws.ToInt32(v.MetadataOptions.HttpPutResponseHopLimit)))},
	})
	if len(v.NetworkInterfaces) > 0 {
		f["network-interface.status"] = []string{string(v.NetworkInterfaces[0].Status)}
	}
}

// reachability are the details of a status of an instance.
func reachability(s *types.InstanceStatusSummary) []string {
	var list []string
	for _, d := range s.Details {
		list = append(list, string(d.Status))
	}
	return list
}
