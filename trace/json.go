package trace

import (
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"netlab/labs"
)

// The JSON form of a report. Its keys are part of the interface.
type (
	jsonReport struct {
		Lab     string     `json:"lab"`
		From    string     `json:"from"`
		To      string     `json:"to"`
		Verdict string     `json:"verdict"`
		Result  jsonResult `json:"result"`
		There   jsonPath   `json:"there"`
		Back    *jsonPath  `json:"back"`
		Ways    []jsonWay  `json:"expected"`
		Parting string     `json:"differs,omitempty"`
		Last    string     `json:"lastLine,omitempty"`
	}
	jsonResult struct {
		State  ResultState `json:"state"`
		Detail string      `json:"detail,omitempty"`
		Answer string      `json:"answer,omitempty"`
		After  float64     `json:"afterMs"`
	}
	jsonPath struct {
		Hops []jsonHop `json:"hops"`
		End  jsonEnd   `json:"end"`
	}
	jsonEnd struct {
		Kind   EndKind `json:"kind"`
		Netns  string  `json:"netns"`
		Step   string  `json:"step,omitempty"`
		Reason string  `json:"reason,omitempty"`
		Cause  string  `json:"cause,omitempty"`
	}
	jsonWay struct {
		Chance float64  `json:"chance"`
		Hops   []string `json:"hops"`
		End    EndKind  `json:"end"`
		Back   []string `json:"back,omitempty"`
	}
	jsonHop struct {
		Number    int        `json:"number"`
		Netns     string     `json:"netns"`
		Name      string     `json:"name"`
		Direction Dir        `json:"direction"`
		Interface string     `json:"interface,omitempty"`
		After     float64    `json:"afterMs,omitempty"`
		Packet    jsonPacket `json:"packet"`
		Facts     []jsonFact `json:"facts"`
	}
	jsonPacket struct {
		SrcMAC   string      `json:"srcMac,omitempty"`
		DstMAC   string      `json:"dstMac,omitempty"`
		Src      string      `json:"src,omitempty"`
		Dst      string      `json:"dst"`
		SrcPort  uint16      `json:"srcPort,omitempty"`
		DstPort  uint16      `json:"dstPort,omitempty"`
		Protocol Proto       `json:"protocol"`
		What     string      `json:"what"`
		TTL      uint8       `json:"ttl,omitempty"`
		ID       uint16      `json:"id,omitempty"`
		Length   int         `json:"length,omitempty"`
		VNI      uint32      `json:"vni,omitempty"`
		Inner    *jsonPacket `json:"inner,omitempty"`
		About    *jsonPacket `json:"about,omitempty"`
	}
	jsonFact struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
		Data any    `json:"data"`
	}
)

// WriteJSON writes a report as one JSON object.
func WriteJSON(w io.Writer, r Report) error {
	return encode(w, r.view())
}

// WriteJSONList writes several reports as a list.
func WriteJSONList(w io.Writer, reports []Report) error {
	list := make([]jsonReport, len(reports))
	for i := range reports {
		list[i] = reports[i].view()
	}
	return encode(w, list)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (r *Report) view() jsonReport {
	v := jsonReport{
		Lab: r.Lab, From: r.From, To: r.To, Verdict: r.Verdict(), Parting: r.Parting, Last: r.LastLine(), Ways: []jsonWay{},
		Result: jsonResult{r.Trace.Result.State, r.Trace.Result.Detail, r.Trace.Result.Answer, millis(r.Trace.Result.After)},
		There:  r.jsonPath(&r.Trace.There, 0),
	}
	if len(r.Trace.Back.Hops) > 0 {
		back := r.jsonPath(&r.Trace.Back, len(r.Trace.There.Hops))
		v.Back = &back
	}
	for _, way := range r.Expected {
		v.Ways = append(v.Ways, jsonWay{way.There.Chance, r.wheres(&way.There), way.There.End.Kind, r.wheres(&way.Back)})
	}
	return v
}

func (r *Report) wheres(p *Path) []string {
	var list []string
	for i := range p.Hops {
		list = append(list, p.Hops[i].where(r.Names))
	}
	return list
}

func (r *Report) jsonPath(p *Path, before int) jsonPath {
	v := jsonPath{Hops: []jsonHop{}, End: jsonEnd{p.End.Kind, p.End.NS, p.End.Fault.Step, p.End.Fault.Why, p.End.Fault.Cause}}
	for i := range p.Hops {
		h := &p.Hops[i]
		hop := jsonHop{
			Number: before + i + 1, Netns: h.NS, Name: r.Names.Space(h.NS), Direction: h.Dir, Interface: h.Iface,
			After: millis(h.After), Packet: packetOf(&h.Header), Facts: []jsonFact{},
		}
		for _, f := range h.Facts {
			hop.Facts = append(hop.Facts, factOf(f))
		}
		v.Hops = append(v.Hops, hop)
	}
	return v
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func packetOf(h *Header) jsonPacket {
	p := jsonPacket{
		Src: addrText(h.Src), Dst: addrText(h.Dst), SrcPort: h.SrcPort, DstPort: h.DstPort, Protocol: h.Proto, What: h.What(),
		TTL: h.TTL, ID: h.ID, Length: h.Length, VNI: h.VNI,
	}
	if h.Ether {
		p.SrcMAC, p.DstMAC = h.SrcMAC.String(), h.DstMAC.String()
	}
	if h.Inner != nil {
		inner := packetOf(h.Inner)
		p.Inner = &inner
	}
	if h.Quote != nil {
		quote := packetOf(h.Quote)
		p.About = &quote
	}
	return p
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func macText(m labs.MAC) string {
	if m == (labs.MAC{}) {
		return ""
	}
	return m.String()
}
