import Execution
import FileTestSupport
import Testing

@Suite("Memory limits")
struct MemoryLimitsTests {
  /// A system of files such as Linux has.
  private func system(_ files: [String: String]) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    try folder.write(
      Array("MemTotal: 8000000 kB\nMemAvailable:  4000000 kB\n".utf8), to: "proc/meminfo")
    for (path, text) in files { try folder.write(Array(text.utf8), to: path) }
    return folder
  }

  private func least(_ folder: ScratchFolder) -> MemoryLimits.Limit {
    MemoryLimits(root: folder.path).least
  }

  @Test("the machine's free memory, where nothing else is known")
  func machine() throws {
    let least = least(try system([:]))
    #expect(least.bytes == 4_096_000_000)
    #expect(least.name.contains("this machine"))
  }

  @Test("the least along the path of the control group; files in memory make way")
  func unified() throws {
    let base = "sys/fs/cgroup"
    let folder = try system([
      "proc/self/cgroup": "0::/outer/inner\n",
      "\(base)/outer/inner/memory.max": "max\n",
      "\(base)/outer/memory.max": "1000000000\n",
      "\(base)/outer/memory.current": "400000000\n",
      "\(base)/outer/memory.stat":
        "anon 1\nfile 9\ninactive_file 100000000\nactive_file 50000000\n",
      "\(base)/memory.max": "3000000000\n",
      "\(base)/memory.current": "0\n",
    ])
    #expect(least(folder).bytes == 750_000_000)
    #expect(least(folder).name == "the memory limit of the control group (1,000 MB)")
  }

  @Test("the former version; a group without a limit; a path that is the host's")
  func former() throws {
    let base = "sys/fs/cgroup/memory"
    let folder = try system([
      "proc/self/cgroup": "12:cpu,cpuacct:/a\n4:memory:/docker/0123\n",
      "\(base)/memory.limit_in_bytes": "500000000\n",
      "\(base)/memory.usage_in_bytes": "100000000\n",
    ])
    #expect(least(folder).bytes == 400_000_000)
    try folder.write(Array("9223372036854771712\n".utf8), to: "\(base)/memory.limit_in_bytes")
    #expect(least(folder).bytes == 4_096_000_000)
  }

  @Test("a refusal says how much, of what, and what to lower")
  func refusal() throws {
    let limits = MemoryLimits(all: [.init(name: "the box", bytes: 1e9)])
    var need = MemoryNeed()
    need.add("lanes", bytes: 9e8, keys: ["training.lanes"])
    try limits.check(need, "training")
    need.add("batches", bytes: 2e8, keys: ["training.batchSize"])
    let failure = #expect(throws: MemoryShortage.self) { try limits.check(need, "training") }
    #expect(
      failure?.description.contains(
        "training needs 1,100 MB of memory (900 MB for lanes, 200 MB for batches)") == true)
    #expect(failure?.description.contains("the box leaves 1,000 MB") == true)
    let small = #expect(throws: MemoryShortage.self) {
      try MemoryLimits(all: [.init(name: "the box", bytes: 1e7)]).check(MemoryNeed(), "a codec")
    }
    #expect(
      small?.description
        == "a codec needs 32 MB of memory, but the box leaves 10 MB. Raise the limit.")
    #expect(failure?.description.contains("Lower training.lanes, training.batchSize") == true)
  }
}
