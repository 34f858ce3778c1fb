import Foundation
import Ranks
import Synchronization

/// Groups of processes as threads of this one, connected as processes of one machine are.
public enum LocalRanks {
  private static let ports = Atomic<Int>(0)

  /// A port that nothing of this process uses.
  public static func freePort() -> Int {
    let number = ports.wrappingAdd(1, ordering: .relaxed).oldValue
    return 21_000 + (Int(getpid()) * 37 + number) % 11_000
  }

  /// The variables of a rank, as torchrun sets them.
  public static func variables(_ rank: Int, of size: Int, port: Int) -> [String: String] {
    [
      "RANK": String(rank), "WORLD_SIZE": String(size), "MASTER_ADDR": "127.0.0.1",
      "TESSERA_PORT": String(port),
    ]
  }

  /// Does something in each rank of a group, and returns what came of it, by rank.
  ///
  /// - Parameter wantsToStop: whether a rank was asked to stop.
  public static func run<Result: Sendable>(
    _ size: Int, threads: Int = 1,
    wantsToStop: @escaping @Sendable (_ rank: Int) -> Bool = { _ in false },
    _ body: @escaping @Sendable (ProcessGroup) throws -> Result
  ) throws -> [Result] {
    let port = freePort()
    let results = Mutex([Int: Swift.Result<Result, any Error>]())
    let done = DispatchSemaphore(value: 0)
    for rank in 0..<size {
      let thread = Thread {
        let result = Swift.Result {
          let group = try Ranks.join(environment: variables(rank, of: size, port: port)) { _ in
            threads
          } wantsToStop: {
            wantsToStop(rank)
          }
          do { return try body(group!) } catch {
            group!.abandon("\(error)", code: 70)
            throw error
          }
        }
        results.withLock { $0[rank] = result }
        done.signal()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    for _ in 0..<size { done.wait() }
    return try (0..<size).map { rank in try results.withLock { $0[rank]! }.get() }
  }
}
