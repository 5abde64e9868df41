// Package verify finds out whether a lab that is up does what its file says.
//
//	Checks  *labs.Lab            -> []Check       pure; expectations come from the lab alone
//	Probe   []Check              -> Observation   the outside world, behind [Prober]
//	Judge   Check, Observation   -> Result        pure
//	Run     all of the above     -> Report
//	Write…  Report               -> text, JSON, JUnit, TAP, GitHub annotations
//
// A check is plain data and says nothing about how it is made. A prober looks
// and has no opinion. One function judges, and the writers print what it said:
// none of them computes a verdict or an exit code. A check that could not be
// made is an [Error], never a [Pass].
//
// Package verify itself touches no kernel and no network.
// [netlab/verify/probe] is the real prober.
package verify
