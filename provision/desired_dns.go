package provision

import "netlab/provision/dns"

// DNSFile is the [File] that the lab's DNS server reads. Unlike the others it
// is no namespace's.
const DNSFile = "dns.json"

// names adds what the lab's DNS server knows.
func (d *desired) names() {
	if d.lab.DNS {
		d.add(File{d.lab.Name, DNSFile, dns.NamesOf(d.lab).String(), 0o600})
	}
}
