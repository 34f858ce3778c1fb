import Execution
import Foundation
import Testing

/// How many cores a process may use.
struct AvailableCoresTests {
  @Test func thereIsACoreAndNoMoreThanTheMachineHas() {
    #expect((1...ProcessInfo.processInfo.processorCount).contains(AvailableCores.count))
  }

  @Test func coresOfAnAffinityMask() {
    #expect(AvailableCores.allowed(in: "Name:\tx\nCpus_allowed:\tff,ffffffff\nOther: 1") == 40)
    #expect(AvailableCores.allowed(in: "Cpus_allowed:\t5\nCpus_allowed_list:\t0,2") == 2)
    #expect(AvailableCores.allowed(in: "Name: x") == nil && AvailableCores.allowed(in: "") == nil)
  }

  @Test func limitsOfControlGroupsAndTheirParents() {
    func limits(_ groups: String, _ files: [String: String]) -> [Int] {
      AvailableCores.limits(of: groups) { files[$0] }.sorted()
    }
    let unified = "/sys/fs/cgroup"
    #expect(limits("0::/a/b\n", [unified + "/a/b/cpu.max": "150000 100000\n"]) == [2])
    #expect(
      limits(
        "0::/a/b",
        [unified + "/a/b/cpu.max": "max 100000", unified + "/a/cpu.max": "400000 100000"])
        == [4])
    #expect(limits("0::/", [unified + "/cpu.max": "50000 100000"]) == [1])
    #expect(
      limits(
        "4:cpu,cpuacct:/job",
        [
          unified + "/cpu/job/cpu.cfs_quota_us": "300000\n",
          unified + "/cpu/job/cpu.cfs_period_us": "100000\n",
          unified + "/cpu/cpu.cfs_quota_us": "-1", unified + "/cpu/cpu.cfs_period_us": "100000",
        ]) == [3])
    for text in ["", "nonsense", "0::/a\n3:memory:/x", "::"] { #expect(limits(text, [:]).isEmpty) }
    #expect(limits("0::/", [unified + "/cpu.max": "x y"]).isEmpty)
  }
}
