# Builds the image of a release: the static binary, the CAs that the binary trusts AWS by, and nothing else. The image has no
# shell, and does not run as root.
# release.yml prepares both files: ARCHITECTURE/taskbell and ca-certificates.crt.
FROM scratch
ARG TARGETARCH
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chmod=755 ${TARGETARCH}/taskbell /usr/local/bin/taskbell
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/local/bin
ENV HOME=/home/taskbell
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["taskbell"]
CMD ["--help"]
