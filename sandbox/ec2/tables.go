package ec2

import "github.com/keyreach/keyreach/sandbox/state"

// tables are what EC2 remembers beside snapshots.
type tables struct {
	settings *state.Table[Settings] // account, Region
}

func newTables(db *state.DB) tables {
	return tables{
		settings: state.NewTable[Settings](db, "ec2.settings", nil),
	}
}
