package ec2

import "github.com/keyreach/keyreach/sandbox/state"

// tables are what EC2 remembers beside snapshots.
type tables struct {
	settings *state.Table[Settings] // account, Region
	volumes  *state.Table[Volume]   // account, Region, id
	locks    *state.Table[lock]     // Region, snapshot
}

func newTables(db *state.DB) tables {
	return tables{
		settings: state.NewTable[Settings](db, "ec2.settings", nil),
		volumes:  state.NewTable[Volume](db, "ec2.volumes", nil),
		locks:    state.NewTable[lock](db, "ec2.locks", nil),
	}
}
