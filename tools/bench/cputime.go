package main

// cpuTimes returns the processor time of several processes in seconds.
func cpuTimes(pids []int) (sum float64) {
	for _, pid := range pids {
		sum += cpuTime(pid)
	}
	return sum
}
