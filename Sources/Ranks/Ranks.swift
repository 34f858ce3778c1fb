import Foundation

/// The way into a group of processes.
public enum Ranks {
  /// Joins the processes that a launcher started together; nil for a process by itself.
  ///
  /// MPI carries what they exchange where it is built in and started them, and sockets else.
  ///
  /// - Parameters:
  ///   - threads: the threads of this process, given how many of the group share its machine.
  ///   - wantsToStop: whether this process was asked to stop.
  public static func join(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    threads: (_ onThisMachine: Int) -> Int,
    wantsToStop: @escaping @Sendable () -> Bool
  ) throws(RankError) -> ProcessGroup? {
    guard let launch = try Launch(environment: environment) else { return nil }
    let communicator = try communicator(launch)
    // Who shares the machine is known only once all are there.
    let hosts = try ProcessGroup(communicator, threads: 1).members.map(\.host)
    let neighbours = hosts.count { $0 == hosts[communicator.rank] }
    return try ProcessGroup(
      communicator, threads: max(1, threads(neighbours)), wantsToStop: wantsToStop)
  }

  private static func communicator(_ launch: Launch) throws(RankError) -> any Communicator {
    #if MPI
      if launch.launcher != .torchrun {
        let ranks = try MPICommunicator()
        if ranks.size == launch.size { return ranks }
        // Started by something that this MPI does not know: each process is alone.
        guard launch.address != nil else {
          throw .otherMPI(
            library: ranks.library, launcher: launch.launcher.rawValue, size: launch.size)
        }
        ranks.finish()
      }
    #endif
    guard let address = launch.address else {
      throw launch.launcher == .torchrun
        ? .withoutAddress : .withoutMPI(launcher: launch.launcher.rawValue)
    }
    return try SocketCommunicator(launch, address: address)
  }
}
