import Randomness
import Testing

@Suite struct GeneratorTests {
  /// The published known answers of Philox4x64-10 (they also are what NumPy's Philox gives).
  @Test func philoxKnownAnswers() {
    let ones = UInt64.max
    #expect(
      Philox.block(counter: .zero, key: .zero)
        == SIMD4(
          0x1655_4D9E_CA36_314C, 0xDB20_FE9D_672D_0FDC, 0xD7E7_72CE_E186_176B,
          0x7E68_B68A_EC7B_A23B))
    #expect(
      Philox.block(counter: SIMD4(repeating: ones), key: SIMD2(repeating: ones))
        == SIMD4(
          0x87B0_92C3_013F_E90B, 0x438C_3C67_BE8D_0224, 0x9CC7_D7C6_9CD7_77B6,
          0xA09C_AEBF_594F_0BA0))
    #expect(
      Philox.block(
        counter: SIMD4(
          0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0,
          0x082E_FA98_EC4E_6C89),
        key: SIMD2(0x4528_21E6_38D0_1377, 0xBE54_66CF_34E9_0C6C))
        == SIMD4(
          0xA528_F454_03E6_1D95, 0x38C7_2DBD_566E_9788, 0xA5A1_610E_72FD_18B5,
          0x57BD_43B5_E52B_7FE6))
  }

  /// What NumPy gives: `numpy.random.Philox(key=42, counter=[2**64 - 1] * 4).random_raw(9)`.
  @Test func streamOfASeed() {
    var generator = Generator(seed: 42)
    let words = (0..<9).map { _ in generator.next() }
    #expect(
      words == [
        0xA768_7E2D_34C8_9DC6, 0x4C58_18AB_9649_D53F, 0xEA0A_DD42_30DD_DAB5,
        0xE2A1_42EE_CEE5_BB40, 0xD1F8_817D_4D62_880E, 0x3072_66B6_5CC8_797E,
        0xDE1F_04E7_F084_ED03, 0x6503_4A8E_78CD_1E59, 0x5E3D_AA89_61C3_E3D3,
      ])
  }

  @Test(arguments: 0..<9) func stateRoundTrip(drawn: Int) throws {
    var generator = Generator(seed: 5).split(3)
    for _ in 0..<drawn { _ = generator.next() }
    var restored = try #require(Generator(state: generator.state))
    #expect(restored == generator)
    for _ in 0..<10 { #expect(restored.next() == generator.next()) }
  }

  @Test func stateOfTheWrongLengthIsRefused() {
    #expect(Generator(state: []) == nil)
    #expect(Generator(state: [1, 2]) == nil)
    #expect(Generator(state: [1, 2, 3, 4]) == nil)
  }

  @Test func equalMeansSameFuture() {
    var left = Generator(seed: 1)
    var right = Generator(seed: 1)
    #expect(left == right)
    _ = left.next()
    #expect(left != right)
    _ = right.next()
    #expect(left == right)
    #expect(Generator(seed: 1) != Generator(seed: 2))
  }

  @Test func childDoesNotDependOnDrawsOfTheParent() {
    var parent = Generator(seed: 11)
    let before = parent.split(4)
    let named = parent.split(named: "crop")
    for _ in 0..<1001 { _ = parent.next() }
    #expect(parent.split(4) == before)
    #expect(parent.split(named: "crop") == named)
  }

  @Test func childrenAreDistinct() {
    let parent = Generator(seed: 0)
    var firsts = Set<UInt64>()
    var all: [Generator] = [parent, Generator(seed: 1)]
    for stream in 0..<200 as Range<UInt64> {
      all.append(parent.split(stream))
      all.append(parent.split(stream).split(stream))
      all.append(parent.split(named: "\(stream)"))
    }
    all.append(parent.split(named: ""))
    for generator in all {
      var copy = generator
      firsts.insert(copy.next())
    }
    #expect(firsts.count == all.count)
  }

  /// Neighbouring streams share no more bits than chance allows: 64 words of each compared.
  @Test func neighbouringStreamsAreUncorrelated() {
    let parent = Generator(seed: 9)
    for stream in 0..<50 as Range<UInt64> {
      var left = parent.split(stream)
      var right = parent.split(stream + 1)
      var same = 0
      for _ in 0..<64 { same += (left.next() ^ right.next()).nonzeroBitCount }
      // 4096 fair coins: mean 2048, deviation 32; six deviations.
      #expect(abs(same - 2048) < 192)
    }
  }
}
