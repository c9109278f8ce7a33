package awsfacts

import (
	"slices"
	"sync"
)

// Partition is a part of AWS with accounts, principals and ARNs of its own. The
// Regions are those of docs.aws.amazon.com/general/latest/gr/rande.html.
type Partition struct {
	// Name is the second field of ARNs, as "aws-cn".
	Name string `json:"name"`
	// DNSSuffix ends the names of endpoints. It does not end kms:ViaService values,
	// which have amazonaws.com in every partition.
	DNSSuffix string `json:"dns_suffix"`
	// Regions are sorted by name.
	Regions []string `json:"regions"`
}

type partitionFile struct {
	Source     string      `json:"source"`
	ReadFrom   string      `json:"read_from"`
	Partitions []Partition `json:"partitions"`
}

type partitionTable struct {
	list     []Partition
	byRegion map[string]int
}

var partitions = sync.OnceValue(func() partitionTable {
	table := partitionTable{list: load[partitionFile]("partitions.json").Partitions, byRegion: map[string]int{}}
	for i, p := range table.list {
		for _, region := range p.Regions {
			table.byRegion[region] = i
		}
	}
	return table
})

// PartitionOf finds the partition of a Region. Region names are lower case, always.
func PartitionOf(region string) (Partition, bool) {
	table := partitions()
	i, ok := table.byRegion[region]
	if !ok {
		return Partition{}, false
	}
	return table.list[i], true
}

// PartitionName names the partition of a Region for an ARN; "aws" for a Region that is
// not in the data.
func PartitionName(region string) string {
	if p, ok := PartitionOf(region); ok {
		return p.Name
	}
	return "aws"
}

// Partitions returns a copy of the public partitions, aws first.
func Partitions() []Partition {
	list := slices.Clone(partitions().list)
	for i := range list {
		list[i].Regions = slices.Clone(list[i].Regions)
	}
	return list
}

// KnownRegion reports whether the Region is in the data. A Region that is not may be
// newer than the data.
func KnownRegion(r string) bool {
	_, ok := partitions().byRegion[r]
	return ok
}
