import Ranks
import Testing

/// Which rank a process is, by the variables of whoever started it.
struct LaunchTests {
  @Test func aProcessByItselfIsNoRank() throws {
    #expect(try Launch(environment: [:]) == nil)
    #expect(try Launch(environment: ["RANK": "0", "WORLD_SIZE": "1"]) == nil)
    #expect(try Launch(environment: ["RANK": "3"]) == nil)
    #expect(
      try Launch(environment: ["RANK": "1", "WORLD_SIZE": "2", "TESSERA_RANKS": "off"]) == nil)
    // A batch script of Slurm is no step.
    #expect(try Launch(environment: ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]) == nil)
  }

  @Test func launchersAreTrustedInOrder() throws {
    var environment = [
      "RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "node1", "MASTER_PORT": "1234",
    ]
    var launch = try #require(try Launch(environment: environment))
    #expect(launch.launcher == .torchrun && launch.rank == 1 && launch.size == 8)
    #expect(launch.address == "node1" && launch.port == 1234)
    environment["SLURM_PROCID"] = "2"
    environment["SLURM_STEP_NUM_TASKS"] = "7"
    launch = try #require(try Launch(environment: environment))
    #expect(launch.launcher == .slurm && launch.rank == 2 && launch.size == 7)
    // The step of Slurm carries the daemons of mpirun.
    environment["OMPI_COMM_WORLD_RANK"] = "3"
    environment["OMPI_COMM_WORLD_SIZE"] = "6"
    launch = try #require(try Launch(environment: environment))
    #expect(launch.launcher == .openMPI && launch.rank == 3 && launch.size == 6)
    environment["PMI_RANK"] = "4"
    environment["PMI_SIZE"] = "5"
    launch = try #require(try Launch(environment: environment))
    #expect(launch.launcher == .pmi && launch.rank == 4 && launch.size == 5)
  }

  @Test func torchrunKeepsItsPort() throws {
    var environment = [
      "RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500",
      "TORCHELASTIC_USE_AGENT_STORE": "True",
    ]
    #expect(try Launch(environment: environment)?.port == 29501)
    environment["TESSERA_PORT"] = "4000"
    #expect(try Launch(environment: environment)?.port == 4000)
  }

  @Test(arguments: [
    ("node07", "node07"), ("node[07-09,12],login1", "node07"), ("a,b", "a"),
    ("gpu-[3]", "gpu-3"), ("rack1-node[1,3-4].local,x", "rack1-node1.local"), ("[4-5]", "4"),
  ])
  func slurmListsMachines(_ list: String, _ first: String) throws {
    let launch = try #require(
      try Launch(environment: [
        "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": list,
        "SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0",
      ]))
    #expect(launch.address == first)
    #expect((20_000..<40_000).contains(launch.port))
  }

  @Test(arguments: [
    ["RANK": "2", "WORLD_SIZE": "2"], ["RANK": "-1", "WORLD_SIZE": "2"],
    ["RANK": "x", "WORLD_SIZE": "2"], ["RANK": "0", "WORLD_SIZE": "0"],
    ["PMI_RANK": "0", "PMI_SIZE": "many"],
    ["RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "70000"],
    ["RANK": "0", "WORLD_SIZE": "2", "TESSERA_PATIENCE": "soon"],
  ])
  func nonsenseIsTold(_ environment: [String: String]) {
    #expect {
      _ = try Launch(environment: environment)
    } throws: { error in
      guard case RankError.variables = error else { return false }
      return "\(error)".contains("expected")
    }
  }

  @Test func ranksWithoutAnAddressAreToldTheWay() {
    #expect(throws: RankError.withoutAddress) {
      _ = try Ranks.join(environment: ["RANK": "0", "WORLD_SIZE": "2"]) {
        $0
      } wantsToStop: {
        false
      }
    }
    #expect("\(RankError.withoutAddress)".contains("MASTER_ADDR"))
  }
}
