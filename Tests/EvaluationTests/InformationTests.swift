import Evaluation
import Testing

/// Bits of tokens and of pixels.
struct InformationTests {
  @Test func `bits per token are the logarithm of the codes`() {
    #expect(Information.bitsPerToken(codes: 1024) == 10)
    #expect(Information.bitsPerToken(codes: 1) == 0)
    #expect(abs(Information.bitsPerToken(codes: 1000) - 9.965784284662087) < 1e-12)
  }

  @Test func `bits per pixel spread the tokens' bits over the image`() {
    #expect(
      Information.bitsPerPixel(tokens: 64, codes: 4096, width: 32, height: 32) == 0.75)
    // 8x8 tokens of 1000 codes: 637.81 bits for a 32x32 image.
    let bits = Information.bitsPerPixel(tokens: 64, codes: 1000, width: 32, height: 32) * 1024
    #expect(abs(bits - 637.810194218) < 1e-8)
  }
}
