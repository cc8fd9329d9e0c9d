package principal

import "regexp"

// maxDeviceLength is how many code points of a device's name are stored.
const maxDeviceLength = 200

// versionNumbers matches version numbers, which change with every update of a browser.
var versionNumbers = regexp.MustCompile(`[0-9]+([._][0-9]+)*`)

// Device returns the user agent of the request, cut to the length that is stored.
func (o Origin) Device() string {
	runes := []rune(o.UserAgent)
	return string(runes[:min(maxDeviceLength, len(runes))])
}

// ClientNames returns the two texts by which a known client is recognised: its address, and its
// user agent without version numbers.
func (o Origin) ClientNames() (address, device string) {
	return "address " + o.IP, "device " + versionNumbers.ReplaceAllString(o.Device(), "")
}
