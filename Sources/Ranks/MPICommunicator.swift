#if MPI
  import CMPI
  import Foundation

  /// The ranks that mpirun or srun started, by the MPI that was found when this was built.
  final class MPICommunicator: Communicator {
    let rank: Int
    let size: Int

    init() throws(RankError) {
      var (rank, size): (Int32, Int32) = (0, 1)
      let error = tessera_mpi_start(&rank, &size)
      (self.rank, self.size) = (Int(rank), Int(size))
      guard error == 0 else { throw .mpi(Self.words(of: error)) }
    }

    /// The name and version of the library, as in "Open MPI v4.1.4".
    var library: String {
      Self.text { tessera_mpi_library($0, $1) }
        .split(whereSeparator: { $0.isNewline || $0 == "," }).first.map(String.init) ?? "an MPI"
    }

    func begin(sends: [Outgoing], receives: [Incoming]) throws(RankError) {
      let sends = sends.map { send in
        tessera_mpi_transfer(
          rank: Int32(send.rank), bytes: UnsafeMutableRawPointer(mutating: send.bytes.baseAddress),
          count: send.bytes.count)
      }
      let receives = receives.map { receive in
        tessera_mpi_transfer(
          rank: Int32(receive.rank), bytes: receive.bytes.baseAddress, count: receive.bytes.count)
      }
      try check(tessera_mpi_begin(sends, sends.count, receives, receives.count))
    }

    func proceed(waiting: Bool) throws(RankError) {
      try check(tessera_mpi_proceed(waiting ? 1 : 0))
    }

    private func check(_ error: Int32) throws(RankError) {
      guard error == 0 else { throw .mpi(Self.words(of: error)) }
    }

    func finish() { tessera_mpi_finish() }

    /// Says itself what happened: MPI ends the others before they could.
    func abandon(_ reason: Farewell, code: Int32) {
      if reason.rank == rank, rank != 0, !reason.message.isEmpty {
        let text = "error: \(RankError.ended(reason))\n"
        FileHandle.standardError.write(Data(text.utf8))
      }
      tessera_mpi_abort(code)
    }

    private static func words(of error: Int32) -> String {
      text { tessera_mpi_describe(error, $0, $1) }
    }

    private static func text(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 8192) { buffer in
        buffer.initialize(repeating: 0)
        fill(buffer.baseAddress!, buffer.count)
        return String(cString: buffer.baseAddress!)
      }
    }
  }
#endif
