import ArgumentParser
import Execution
import Files
import Ranks
import Training

extension TrainCommand {
  /// Does something as one of the processes that a launcher started together, or by itself.
  ///
  /// Rank 0 alone speaks. Where one process fails, the others end too.
  func withRanks(_ terminal: Terminal, _ body: (ProcessGroup?) throws -> Void) throws {
    guard let group = try join() else { return try body(nil) }
    Terminal.isMuted = !group.isFirst
    if estimate {
      group.finish()
      throw Failure(
        .usage, "--estimate measures one process by itself: start it without a launcher of ranks")
    }
    terminal.say(
      "\(group.size) ranks on \(group.hosts == 1 ? "one machine" : "\(group.hosts) machines"), "
        + "\(group.threads) threads")
    do {
      try body(group)
      group.finish()
    } catch let code as ExitCode {
      group.finish()
      throw code
    } catch {
      let failure = Failure(error)
      // The first rank says what all have found, and what it heard from another; that it is lost without
      // a word the others must say.
      if case RankError.ended(let farewell) = error, farewell.rank == 0, farewell.message.isEmpty {
        Terminal.isMuted = false
      }
      terminal.fail(failure)
      if group.failure == nil, group.hasFailedTogether || Self.isFoundByAll(error) {
        group.finish()
      } else {
        group.abandon(failure.description, code: failure.code.rawValue)
      }
      throw ExitCode(failure.code.rawValue)
    }
  }

  private func join() throws -> ProcessGroup? {
    guard try Launch.current() != nil else { return nil }
    // From here on a signal is to reach all processes.
    Interruption.listen()
    return try Ranks.join {
      options.threads ?? AvailableCores.count(sharedBy: $0)
    } wantsToStop: {
      Interruption.isRequested
    }
  }

  /// Whether every process of a group has come upon the same error.
  private static func isFoundByAll(_ error: any Error) -> Bool {
    switch error {
    case let error as RankError: error.isShared
    case TrainingError.notFinite, TrainingError.alreadyDone, TrainingError.patienceEnded: true
    default: false
    }
  }

  /// The threads of this process.
  func threads(in group: ProcessGroup?) -> Int {
    group.map { $0.members[$0.rank].threads } ?? options.threadCount
  }

  /// The right to write into the folder of a run, of those that write.
  func lock(_ folder: String, _ group: ProcessGroup?) throws -> FolderLock? {
    guard group?.isFirst ?? true else { return nil }
    return try Checkpoint(folder: folder).lockForTraining(resuming: resume)
  }
}

extension ProcessGroup? {
  /// Does something that fails in all processes where it fails in one.
  func together<Result>(_ body: () throws -> Result) throws -> Result {
    guard let self else { return try body() }
    return try self.together(
      { error in
        error is ExitCode ? "stopped before anything was computed" : Failure(error).description
      }, body)
  }

  /// Whether to stop: as all processes came to know at once.
  var shouldStop: () -> Bool {
    guard let self else { return { Interruption.isRequested } }
    return { self.isStopRequested }
  }
}
