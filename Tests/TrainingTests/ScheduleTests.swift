import Files
import Configuration
import Foundation
import Testing
import Training

/// Learning rates against their formulas.
struct ScheduleTests {
  private func training(
    _ schedule: ScheduleConfiguration, steps: Int = 100, rate: Double = 0.02
  ) -> TrainingConfiguration {
    TrainingConfiguration(
      steps: steps, optimizer: .sgd(SGDConfiguration(learningRate: rate)), schedule: schedule)
  }

  private static let schedules: [ScheduleConfiguration] = [
    .constant(WarmupConfiguration(warmup: 10)),
    .linear(DecayConfiguration(warmup: 10, finalShare: 0.25)),
    .cosine(DecayConfiguration(warmup: 10, finalShare: 0.25)),
    .inverseSquareRoot(WarmupConfiguration(warmup: 10)),
  ]

  @Test(arguments: schedules)
  func theRateRisesInAStraightLineFirst(_ schedule: ScheduleConfiguration) {
    let training = training(schedule)
    for step in 0..<10 {
      #expect(abs(training.learningRate(ofStep: step) - 0.02 * Double(step + 1) / 10) < 1e-15)
    }
    #expect(training.learningRate(ofStep: 0) > 0, "no update is without effect")
    for step in 10..<100 { #expect(training.learningRate(ofStep: step) <= 0.02) }
  }

  @Test func constant() {
    let training = training(.constant(WarmupConfiguration()))
    #expect((0..<200).allSatisfy { training.learningRate(ofStep: $0) == 0.02 })
  }

  /// After the warm-up step `s` of `n` is `s - warmup + 1` of `n - warmup` parts done.
  @Test func linear() {
    let training = training(.linear(DecayConfiguration(warmup: 20, finalShare: 0.1)))
    for (step, share) in [(19, 1), (39, 0.775), (59, 0.55), (79, 0.325), (99, 0.1)] {
      #expect(abs(training.learningRate(ofStep: step) - 0.02 * share) < 1e-15)
    }
  }

  @Test func cosine() {
    let training = training(.cosine(DecayConfiguration(warmup: 20, finalShare: 0.1)))
    // Shares of half a cosine at a quarter, a half and three quarters of the way.
    let quarter = 0.1 + 0.9 * (0.5 + 0.25 * 2.0.squareRoot())
    let last = 0.1 + 0.9 * (0.5 - 0.25 * 2.0.squareRoot())
    for (step, share) in [(19, 1), (39, quarter), (59, 0.55), (79, last), (99, 0.1)] {
      #expect(abs(training.learningRate(ofStep: step) - 0.02 * share) < 1e-12)
    }
    let toZero = self.training(.cosine(DecayConfiguration()))
    #expect(abs(toZero.learningRate(ofStep: 99)) < 1e-15)
    #expect(abs(toZero.learningRate(ofStep: 49) - 0.01) < 1e-15)
  }

  @Test func inverseSquareRoot() {
    let training = training(.inverseSquareRoot(WarmupConfiguration(warmup: 25)))
    for (step, share) in [(24, 1), (99, 0.5), (399, 0.25), (2499, 0.1)] {
      #expect(abs(training.learningRate(ofStep: step) - 0.02 * share) < 1e-15)
    }
    let unwarmed = self.training(.inverseSquareRoot(WarmupConfiguration()))
    #expect(unwarmed.learningRate(ofStep: 0) == 0.02)
    #expect(abs(unwarmed.learningRate(ofStep: 3) - 0.01) < 1e-15)
  }

  /// A run made longer stays at the end of its decay if it is asked for more.
  @Test(arguments: [schedules[1], schedules[2]])
  func beyondTheEndNothingMoves(_ schedule: ScheduleConfiguration) {
    let training = training(schedule)
    #expect(abs(training.learningRate(ofStep: 500) - 0.005) < 1e-15)
  }

  @Test func aRunReportsItsRates() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data, steps: 6)
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    let expected = (0..<6).map { step -> Double in
      if step < 2 { return 3e-3 * Double(step + 1) / 2 }
      return 3e-3 * (0.1 + 0.9 * (1 + cos(.pi * Double(step - 1) / 4)) / 2)
    }
    for (report, rate) in zip(recorder.reports, expected) {
      #expect(abs(report.learningRate - rate) < 1e-12)
    }
    let lines = Journal.lines(folder: small.folder("run"))
    #expect(lines.count { $0["kind"] == .string("step") } == 6)
    #expect(
      lines.count { $0["kind"] == .string("evaluation") } == 2, "after steps 4 and 6")
  }
}
